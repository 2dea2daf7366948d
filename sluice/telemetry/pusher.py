"""Pushes the metrics of all workers of a host, by one of them."""

from __future__ import annotations

import fcntl
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from sluice.errors import SluiceError
from sluice.metrics.page import Gauge, read_sums
from sluice.telemetry.collector import Collector

log = logging.getLogger("sluice.telemetry")
_LOCK = "otlp.lock"


class Pusher:
    """Pushes what a folder's processes have counted, now and then, in a thread of its own.

    Each worker has one; the one that holds a lock in the folder pushes, and when it ends, however
    it ends, another goes on. The lock's file keeps since when is counted: sums are of all time, so
    a push that fails loses nothing. `start` it after a fork, not before.

    Args:
        collector: takes the metrics.
        folder: where the workers count.
        resource: the attributes of them all.
        gauges: what else there is to tell, as it is now.
        interval_s: seconds between pushes.
        clock: nanoseconds since 1970.
    """

    def __init__(
        self,
        collector: Collector,
        folder: Path,
        resource: Mapping[str, str],
        *,
        gauges: Callable[[], Iterable[Gauge]] = tuple,
        interval_s: float = 60.0,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._collector, self._folder, self._resource = collector, folder, resource
        self._gauges, self._interval_s, self._clock = gauges, interval_s, clock
        self._lock: int | None = None
        self._since = 0
        self._failing = False
        self._ending, self._thread = (
            threading.Event(),
            threading.Thread(target=self._run, name="sluice-otlp", daemon=True),
        )

    def start(self) -> None:
        """Begin to push."""
        self._thread.start()

    def close(self, timeout_s: float = 2.0) -> None:
        """Push a last time, and end; after so long the last push is given up."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def push(self) -> bool:
        """Push now, if this is the one that does; whether it is.

        Raises StoreUnavailable, SluiceError and OSError.
        """
        from sluice.telemetry.figures import figures_of

        if not self._leads():
            return False
        times = self._since, self._clock()
        sums = read_sums(self._folder)
        self._collector.post("/v1/metrics", figures_of(sums, self._gauges(), self._resource, times))
        return True

    def _run(self) -> None:
        while not self._ending.wait(self._interval_s):
            self._try()
        self._try()
        if self._lock is not None:
            os.close(self._lock)

    def _try(self) -> None:
        try:
            pushed = self.push()
        except Exception as error:  # a defect too: told once, and the next push may succeed
            if not self._failing:
                known = isinstance(error, SluiceError | OSError)
                log.warning("metrics are not pushed: %s", error, exc_info=not known)
            self._failing = True
            return
        if pushed and self._failing:
            log.info("metrics are pushed again")
            self._failing = False

    def _leads(self) -> bool:
        """Whether this one has the lock, or has got it now."""
        if self._lock is not None:
            return True
        descriptor = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._lock, self._since = descriptor, self._begun(descriptor)
        return True

    def _begun(self, descriptor: int) -> int:
        """Since when the folder's processes count: what the first to push has written down."""
        written = os.pread(descriptor, 32, 0)
        if written.isdigit():
            return int(written)
        now = self._clock()
        os.pwrite(descriptor, str(now).encode(), 0)
        return now
