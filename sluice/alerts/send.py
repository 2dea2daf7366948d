"""Notices on their way: each channel is tried with pauses, and what it took is not sent again.

A notice is taken away after it was sent, so one that a kill came between is sent again, with the
same id.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Any, Protocol

from sluice.alerts import state
from sluice.alerts.condition import SEVERITIES
from sluice.alerts.notice import Notice, line
from sluice.environment import Environment
from sluice.errors import SluiceError, StoreUnavailable
from sluice.streaming.backoff import Backoff
from sluice.streams import Clock

log = logging.getLogger("sluice.alerts")

_GIVEN_UP_S = 86_400.0
_IDLE_S = 1.0
_IN_HAND_S = 120.0  # longer than all channels' patience
_LEVELS = {"info": logging.INFO, "ticket": logging.WARNING, "page": logging.ERROR}


class Channel(Protocol):
    """Takes notices."""

    def send(self, notice: Notice) -> None:
        """Send one. Raises StoreUnavailable where trying again may help, SluiceError where not."""


class LogChannel:
    """The log `sluice.alerts`: info is INFO, ticket is WARNING, page is ERROR."""

    def send(self, notice: Notice) -> None:
        for incident in notice.opened:
            log.log(_LEVELS[incident.severity], "%s: %s", notice.graph, line(incident))
        for incident in notice.closed:
            log.info("%s: %s", notice.graph, line(incident))


class Above:
    """Another channel, for notices of a severity and more."""

    def __init__(self, channel: Channel, severity: str) -> None:
        self._channel, self._least = channel, SEVERITIES.index(severity)

    def send(self, notice: Notice) -> None:
        told = [incident.severity for incident in notice.opened + notice.closed]
        if max(map(SEVERITIES.index, told)) >= self._least:
            self._channel.send(notice)


class Sender:
    """Sends what waits.

    Args:
        environment: where it waits.
        channels: by name; a notice for one that is not there any more is dropped.
        clock: for pauses.
    """

    def __init__(
        self, environment: Environment, channels: Mapping[str, Channel], clock: Clock
    ) -> None:
        self._environment, self._channels, self._clock = environment, channels, clock
        # One pause for each channel: what is away is not asked once for each notice.
        self._backoffs = {name: Backoff(first=1.0, last=300.0) for name in channels}
        self._due = dict.fromkeys(channels, -1.0)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sluice-alerts", daemon=True)

    def flush(self) -> int:
        """Try each notice that waits at each channel that is due; how many still wait."""
        for name, waits in self._environment.read(_waiting):
            if any(self._clock.monotonic() >= self._due.get(c, 0.0) for c in waits.channels):
                self._try(name)
        return len(self._environment.read(_waiting))

    def start(self) -> None:
        """Go on sending, in a thread."""
        self._thread.start()

    def close(self, wait_s: float = 10.0) -> None:
        """End the thread after the notice in hand, or leave it behind; what waits is kept."""
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join(wait_s)

    def _run(self) -> None:
        while not self._ended.wait(_IDLE_S):
            try:
                self.flush()
            except (SluiceError, OSError) as error:
                log.warning("notices wait: %s", error)

    def _try(self, name: bytes) -> None:
        """Send one notice to where it has yet to go, unless another sender does."""
        now = self._clock.time()
        waits = self._environment.write(state.hold, name, now, now + _IN_HAND_S)
        if waits is not None:
            waits.channels = [c for c in waits.channels if not self._sent(c, waits)]
            self._environment.write(state.put_waiting, name, waits)

    def _sent(self, name: str, waits: state.Waiting) -> bool:
        """Whether a channel has nothing more to do with a notice."""
        channel, now = self._channels.get(name), self._clock.monotonic()
        if channel is None:
            return True
        if now < self._due[name]:
            return False
        try:
            channel.send(waits.notice)
        except StoreUnavailable as error:
            assert waits.since is not None
            if self._clock.time() - waits.since >= _GIVEN_UP_S:
                log.error("notice %s is given up: %s", waits.notice.id, error)
                return True
            self._due[name] = now + self._backoffs[name].next()
            log.warning("notice %s waits: %s", waits.notice.id, error)
            return False
        except SluiceError as error:
            log.error("notice %s is not sent: %s", waits.notice.id, error)
            return True
        self._backoffs[name].reset()
        return True


def _waiting(txn: Any) -> list[tuple[bytes, state.Waiting]]:
    return list(state.waiting(txn))
