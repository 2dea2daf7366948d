"""A graph whose steps are functions apart: each posts its message to the next, over HTTP.

The first one has the whole HTTP surface; the last one's reply comes back through all of them. What
goes wrong in a step comes back with the status that it would have in one process.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import msgspec

from sluice.application import Application
from sluice.client.http import error_of
from sluice.codec import encode
from sluice.errors import DeadlineExceeded, DeclarationError, SluiceError, Unavailable
from sluice.graph import Graph
from sluice.message import Choice, Message
from sluice.service import Service

FORMAT = 1
LINE = "x-sluice-line"  # seconds that are left; with it, the last step answers a Result
STEP = "X-Sluice-Step"  # the step that an error is of
_RESERVE = 0.95  # of the time that is left, a step leaves so much to the next one
_FAILED = (DeadlineExceeded.status, Unavailable.status)


class Result(msgspec.Struct, frozen=True):
    """What the last step gives back: the reply, and what the first one tells of the message."""

    format: int
    reply: dict[str, Any]
    route: list[Choice]
    timings: dict[str, float]


def outcome(message: Message, reply: dict[str, Any]) -> dict[str, Any]:
    """A Result, for JSON."""
    route, timings = message.route, message.timings
    return {"format": FORMAT, "reply": reply, "route": route, "timings": timings}


class Next:
    """The function of the next step, with a connection that is kept.

    Args:
        step: its name.
        url: where it is, as http://host:port or https://host.
        key: an API key, if it asks for one.
        clock: monotonic seconds.
    """

    def __init__(
        self, step: str, url: str, key: str = "", clock: Callable[[], float] = time.monotonic
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            hint = "the address of the next step's function, as http://host:port"
            raise DeclarationError("settings", "next", f"{url!r} is no URL", hint)
        self.step, self._clock = step, clock
        self._path = parts.path or "/"
        kinds = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
        self._connection = kinds[parts.scheme](parts.hostname, parts.port)
        self._headers = {"Content-Type": "application/json"}
        if key:
            self._headers["X-API-Key"] = key

    def ask(self, message: Message, left_s: float) -> bytes:
        """What it answers within `left_s` seconds.

        Raises DeadlineExceeded, Unavailable, naming the step, when it does not answer in time or
        can't be reached; else the error that its status stands for.
        """
        until = self._clock() + left_s
        body, headers = encode(message), {**self._headers, LINE: f"{left_s * _RESERVE:.3f}"}
        kept = self._connection.sock is not None
        try:
            try:
                return self._post(body, headers, until)
            except (ConnectionError, http.client.BadStatusLine):
                if not kept:
                    raise
                # It was kept for too long, and closed at the other end before this was read.
                return self._post(body, headers, until)
        except TimeoutError:
            text = f"step {self.step} did not answer within {left_s:.3g} s"
            raise DeadlineExceeded(text) from None
        except (OSError, http.client.HTTPException) as error:
            text = f"step {self.step} can't be reached: {type(error).__name__}"
            raise Unavailable(text) from error
        finally:
            if self._connection.sock is not None and self._clock() >= until:
                self._connection.close()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _post(self, body: bytes, headers: dict[str, str], until: float) -> bytes:
        connection = self._connection
        left = until - self._clock()
        if left <= 0:
            raise TimeoutError
        connection.timeout = left
        if connection.sock is not None:
            connection.sock.settimeout(left)
        try:
            connection.request("POST", self._path, body, headers)
            reply = connection.getresponse()
            answer: bytes = reply.read()
        except BaseException:
            connection.close()  # half an answer may be in it
            raise
        if reply.status == 200:
            return answer
        raise self._error(reply, answer)

    def _error(self, reply: http.client.HTTPResponse, answer: bytes) -> SluiceError:
        try:
            text = str(msgspec.json.decode(answer)["error"])
        except (msgspec.DecodeError, KeyError, TypeError):  # of what stands in front of it
            text = answer[:200].decode(errors="replace")
        step = reply.headers.get(STEP)
        if step is None and reply.status in _FAILED:  # its host's, which knows no steps
            text = f"step {self.step}: {text}"
        error = error_of(reply.status, text)
        vars(error)["failed_step"] = step or self.step
        return error


class Line(Service):
    """The service of a graph of which the first step is here, and the others follow.

    Args:
        graph: the first step alone.
        application: the graph's.
        following: the second step.
        timeout_s: how long all of them may take.
    """

    def __init__(
        self, graph: Graph, application: Application, following: Next, timeout_s: float
    ) -> None:
        super().__init__(graph, application)
        graph.many = False  # requests that share a message would share its failure on the way
        self._next, self._timeout_s = following, timeout_s

    def run(self, message: Message) -> dict[str, Any]:
        """The reply to a message. Raises what the steps raised, by its status."""
        answer = self._next.ask(self.graph.run(message), self._timeout_s)
        try:
            result = msgspec.json.decode(answer, type=Result)
        except msgspec.DecodeError as error:
            raise SluiceError(f"what came back of the steps is no result: {error}") from error
        if result.format != FORMAT:
            raise SluiceError(f"a result of format {result.format} is not read: only {FORMAT} is")
        message.route, message.timings = result.route, result.timings
        return result.reply

    def close(self) -> None:
        """Close the connection and the stores."""
        self._next.close()
        super().close()
