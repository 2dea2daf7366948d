"""Shadow: versions that answer what others have answered, off the reply's path, to be compared.

The model step hands its answers over; that is all that a request pays. A thread gathers what
comes for a moment, asks each shadow once for all of it, and sends an event per row to the topic
<project>.<graph>.shadow. What does not fit into its buffer is dropped and counted: a shadow is
never waited for. docs/routing/shadow.md has the fields of the event.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import orjson

from sluice.live import Live, Version
from sluice.monitoring.emitter import Emitter
from sluice.streams import Clock, Message

log = logging.getLogger("sluice.shadow")

Array = npt.NDArray[Any]
FORMAT = 1
FULL, CLOSED, FAILED = "full", "closed", "failed"
_LINGER_S = 0.02


class Answered(NamedTuple):
    """A row that was answered: its request's id and place in it ("id/0"), when, by whom, what."""

    place: str
    when: float
    version: str
    score: Sequence[float]


class Offered(NamedTuple):
    """What is handed over; nobody changes it.

    Attributes:
        live: the versions.
        shadows: which of them answer too.
        tensors: by transform digest, [n, …].
        n: how many rows.
        rows: says what was answered to them, in their order; called in the thread.
    """

    live: Live
    shadows: tuple[str, ...]
    tensors: Mapping[str, Mapping[str, Array]]
    n: int
    rows: Callable[[], Sequence[Answered]]


class Compared(NamedTuple):
    """A row that was answered, and by shadow its score [k], or why it has none."""

    answered: Answered
    shadows: Mapping[str, Sequence[float] | str]
    records: tuple[None] = (None,)  # what it counts for in an emitter's buffer


def event(row: Any, sampling_percentage: float = 100.0) -> Message:
    """The event of a Compared row; its key is the request's id."""
    place, when, version, score = row.answered
    id, _, record = place.rpartition("/")
    said = row.shadows.items()
    value = {
        "format": FORMAT,
        "id": id,
        "record": int(record),
        "when": when,
        "version": version,
        "score": score,
        "shadows": {number: s for number, s in said if not isinstance(s, str)},
        "errors": {number: why for number, why in said if isinstance(why, str)},
        "sampling_percentage": sampling_percentage,
    }
    return Message(orjson.dumps(value), id, {"content-type": "application/json"})


class Shadow:
    """Asks shadows, in a thread that begins with the first request.

    Args:
        emitter: where the events go, made by `event`; None: nowhere.
        capacity: how many rows may wait.
        clock: for waiting.
        seen: is told of each row that was compared.

    Attributes:
        compared: how many rows.
        dropped: how many were not, by reason: "full" buffer, "closed", "failed" by a defect.
    """

    def __init__(
        self,
        emitter: Emitter | None = None,
        *,
        capacity: int = 10_000,
        clock: Clock = time,
        seen: Callable[[Compared], None] = lambda _: None,
    ) -> None:
        self._emitter, self._capacity, self._clock, self._seen = emitter, capacity, clock, seen
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._waiting: deque[Offered] = deque()
        self._rows, self._closed = 0, False
        self._lock, self._filled, self._idle = (
            threading.Lock(),
            threading.Event(),
            threading.Event(),
        )
        self._thread: threading.Thread | None = None
        self.compared = 0
        self.dropped: Counter[str] = Counter()

    def offer(self, offered: Offered) -> None:
        """Compare rows, if there is room. Returns at once."""
        if self._pid != os.getpid():
            self._begin()  # what waited is the parent's
        with self._lock:
            if self._closed or self._rows + offered.n > self._capacity:
                self.dropped[CLOSED if self._closed else FULL] += offered.n
                return
            self._rows += offered.n
            self._idle.clear()
            self._waiting.append(offered)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="sluice-shadow", daemon=True)
                self._thread.start()
        if not self._filled.is_set():
            self._filled.set()

    def wait(self, timeout_s: float = 5.0) -> bool:
        """Wait until all that was offered is compared; whether it is."""
        return self._thread is None or self._idle.wait(timeout_s)

    def close(self, timeout_s: float = 2.0) -> None:
        """Take no more, and compare and send what waits, as far as the time goes."""
        with self._lock:
            self._closed = True
        self._filled.set()
        if self._thread is not None and self._pid == os.getpid():
            self._thread.join(timeout_s)
        if self._emitter is not None:
            self._emitter.close(timeout_s)

    # -- in the thread -------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._closed or self._waiting:
            self._filled.wait()
            if not self._closed:
                self._clock.sleep(_LINGER_S)  # many rows in one call cost little more than one
            self._filled.clear()
            with self._lock:
                taken = list(self._waiting)
                self._waiting.clear()
            self._work(taken)
            with self._lock:
                self._rows -= sum(offered.n for offered in taken)
                if not self._waiting:
                    self._idle.set()

    def _work(self, taken: Sequence[Offered]) -> None:
        groups: dict[tuple[int, tuple[str, ...]], list[Offered]] = {}
        for offered in taken:
            groups.setdefault((id(offered.live), offered.shadows), []).append(offered)
        for group in groups.values():
            try:
                self._compare(group)
            except Exception:  # a defect here costs comparisons, and no reply
                log.exception("rows were not compared with their shadows")
                self.dropped[FAILED] += sum(offered.n for offered in group)

    def _compare(self, group: Sequence[Offered]) -> None:
        live, shadows = group[0].live, group[0].shadows
        said = {number: _scores(live.version(number), group) for number in shadows}
        answered = [row for offered in group for row in offered.rows()]
        for place, row in enumerate(answered):
            if not row.version:  # nobody answered
                continue
            own = {n: s if isinstance(s, str) else s[place].tolist() for n, s in said.items()}
            compared = Compared(row, own)
            if self._emitter is not None:
                self._emitter.emit(compared)  # type: ignore[arg-type]  # its build takes these
            self._seen(compared)
            self.compared += 1
            self._clock.sleep(0)  # a request that waits for the interpreter goes first


def _scores(version: Version, group: Sequence[Offered]) -> Array | str:
    """What a shadow says of all rows [rows, k], or why it says nothing."""
    tensors = [offered.tensors[version.digest] for offered in group]
    joined = {name: np.concatenate([t[name] for t in tensors]) for name in tensors[0]}
    try:
        scores: Array = version.model.predict(joined)
    except Exception as error:  # whatever it is, it is the shadow's
        log.warning("shadow %s raised", version.number, exc_info=error)
        return f"raised {type(error).__name__}"
    return scores
