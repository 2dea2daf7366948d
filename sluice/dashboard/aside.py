"""The page beside replies: a process of its own makes it, and a thread here waits for that."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Protocol

from sluice.errors import Unavailable
from sluice.protocol.http import Answer, Later, Request, failed

log = logging.getLogger("sluice")

_MOST = 64  # that wait: each look is made once in some seconds, so few ever do
Asked = tuple[str, dict[str, str]]  # path and query


class Maker(Protocol):
    """What answers: sluice.dashboard.process.Process."""

    def ask(self, asked: Asked, longest_s: float) -> Answer:
        """The answer. Raises TimeoutError after so long, EOFError or OSError where it is gone."""

    def end(self) -> None:
        """Let it end, or make it."""


class Aside:
    """Asks the maker, and starts it when somebody wants a page and none runs.

    It is ended when nobody has asked for a while. One that is gone is started once more for the
    same page.

    Args:
        start: starts it. Raises OSError where none can be had.
        idle_s: how long it stays unasked.
        longest_s: how long a page may take; then it is killed.
    """

    def __init__(
        self, start: Callable[[], Maker], *, idle_s: float = 60.0, longest_s: float = 20.0
    ) -> None:
        self._start, self._idle_s, self._longest_s = start, idle_s, longest_s
        self._asked: SimpleQueue[tuple[Future[Answer], Asked]] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._maker: Maker | None = None  # the thread's own

    def answer(self, request: Request) -> Answer:
        """The answer, later. Raises Unavailable where too many wait."""
        if self._asked.qsize() >= _MOST:
            raise Unavailable("too many wait for the dashboard")
        future: Future[Answer] = Future()
        with self._lock:
            self._asked.put((future, (request.path, dict(request.query))))
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="sluice-page", daemon=True)
                thread.start()  # may raise; then the next who asks starts one
                self._thread = thread
        return Answer(202, b"", later=Later(future))

    # -- in the thread -------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            try:
                future, asked = self._asked.get(timeout=self._idle_s)
            except Empty:
                if self._idle():
                    return
                continue
            if future.set_running_or_notify_cancel():
                future.set_result(self._made(asked))

    def _idle(self) -> bool:
        """End, unless somebody has asked just now."""
        with self._lock:
            if not self._asked.empty():
                return False
            self._thread, maker, self._maker = None, self._maker, None
        if maker is not None:
            maker.end()
        return True

    def _made(self, asked: Asked, again: bool = True) -> Answer:
        try:
            return self._ask(asked)
        except (EOFError, OSError) as error:
            self._drop()
            if again and not isinstance(error, TimeoutError):
                return self._made(asked, again=False)  # it was killed, perhaps long ago
            log.warning("no dashboard: %s: %s", type(error).__name__, error)
            return failed(Unavailable("the dashboard's process does not answer"), None)
        except Exception as error:  # a defect: whoever comes next is answered
            self._drop()
            return failed(error, None)

    def _ask(self, asked: Asked) -> Answer:
        if self._maker is None:
            self._maker = self._start()
        return self._maker.ask(asked, self._longest_s)

    def _drop(self) -> None:
        if self._maker is not None:
            self._maker.end()
            self._maker = None
