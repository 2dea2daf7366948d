"""Asking the members of a team: what one of them does wrong is noted, and the others go on."""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from collections.abc import Callable, Mapping
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np
import numpy.typing as npt

from sluice.lazy_tensors import computed
from sluice.live import Live, Version
from sluice.routing.ensemble_scores import Asked, Wanted

log = logging.getLogger("sluice")

Array = npt.NDArray[Any]
Tensors = Mapping[str, Mapping[str, Array]]  # by transform digest
Job = Callable[[], None]
Done = tuple[str, Asked, float]  # which version, what it said, when

HOPELESS = 20  # so many rows, each by itself, must raise before the others are given up too
NO_NUMBER = "gave no number"
BUSY = "is busy with an earlier request"


class Asking:
    """Asks versions for their scores.

    A version with a budget is asked by a thread of its own, one request at a time: the request
    waits as long as the budget says, the version as long as it likes. Without a budget it is asked
    here, which costs nothing.
    """

    def __init__(self) -> None:
        self._threads: dict[str, _Thread] = {}
        self._pid = os.getpid()

    def __call__(
        self,
        live: Live,
        tensors: Tensors,
        wanted: Mapping[str, Wanted],
        waited_for: bool = True,
    ) -> dict[str, Asked]:
        """What each version says. Raises what one raises that some row has alone.

        Where nobody waits for the answer, there is time: no budget holds.
        """
        timed = {n: w for n, w in wanted.items() if waited_for and w.budget_s < math.inf}
        if not timed:
            return {n: _ask(live.version(n), tensors, w) for n, w in wanted.items()}
        waiting = self._begin(live, computed(tensors, live, timed), timed)
        here = [(n, w) for n, w in wanted.items() if n not in timed]
        asked = {n: _ask(live.version(n), tensors, w) for n, w in here}
        return asked | waiting()

    def _begin(
        self, live: Live, tensors: Tensors, wanted: Mapping[str, Wanted]
    ) -> Callable[[], dict[str, Asked]]:
        """Ask by threads; returns what waits for the answers."""
        self._renew(live)
        done: SimpleQueue[Done] = SimpleQueue()
        begun = time.monotonic()
        asked: dict[str, Asked] = {}
        for number, want in wanted.items():
            job = _job(done, live.version(number), tensors, want)
            if not self._threads.setdefault(number, _Thread(number)).begin(job):
                asked[number] = _silent(want, BUSY)

        def wait() -> dict[str, Asked]:
            until = begun + max(want.budget_s for want in wanted.values())
            while len(asked) < len(wanted):
                try:
                    number, answer, ended = done.get(timeout=max(0.0, until - time.monotonic()))
                except Empty:
                    break
                late = ended - begun > wanted[number].budget_s
                asked[number] = _late(wanted[number]) if late else answer
            return {n: asked.get(n) or _late(w) for n, w in wanted.items()}

        return wait

    def _renew(self, live: Live) -> None:
        """Forget the threads of versions that are gone, and those of the process before a fork."""
        if self._pid != os.getpid():
            self._threads, self._pid = {}, os.getpid()
        for number in [n for n in self._threads if n not in live.versions]:
            self._threads.pop(number).end()


class _Thread:
    """Does one job at a time, in a thread that begins with the first."""

    def __init__(self, number: str) -> None:
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._busy = False
        self._name = f"sluice-member-{number}"
        self._thread: threading.Thread | None = None

    def begin(self, job: Job) -> bool:
        """Do a job, unless there is one; whether it is done."""
        if self._busy:
            return False
        self._busy = True
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        self._jobs.put(job)
        return True

    def end(self) -> None:
        """Stop after the job that there is."""
        self._jobs.put(None)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
            finally:
                self._busy = False


def _job(done: SimpleQueue[Done], version: Version, tensors: Tensors, want: Wanted) -> Job:
    return lambda: done.put((version.number, _ask(version, tensors, want), time.monotonic()))


def _ask(version: Version, tensors: Tensors, want: Wanted) -> Asked:
    given = tensors[version.digest]
    if want.alone:
        scores = _predict(version, given, want.rows)
        return Asked(want.rows, scores, _no_numbers(want.rows, scores))
    return _Careful(version, given).ask(want.rows)


class _Careful:
    """Asks for rows; where that raises for halves of them, so that a bad row fails alone."""

    def __init__(self, version: Version, tensors: Mapping[str, Array]) -> None:
        self._version, self._tensors = version, tensors
        self._raised = 0
        self._answered = False

    def ask(self, rows: Array) -> Asked:
        if not self._answered and self._raised >= HOPELESS:
            return _silent(Wanted(rows, False, 0.0), self._why)
        try:
            scores = _predict(self._version, self._tensors, rows)
        except Exception as error:  # whatever it is, it is this member's alone
            return self._halves(rows, error)
        self._answered = True
        return Asked(rows, scores, _no_numbers(rows, scores))

    def _halves(self, rows: Array, error: Exception) -> Asked:
        if len(rows) > 1:
            middle = len(rows) // 2
            return _both(self.ask(rows[:middle]), self.ask(rows[middle:]))
        if not self._raised:
            log.error("version %s left out of an answer", self._version.number, exc_info=error)
        self._raised += 1
        self._why = f"raised {type(error).__name__}"
        return _silent(Wanted(rows, False, 0.0), self._why)


def _both(one: Asked, other: Asked) -> Asked:
    missing = {**one.missing, **other.missing}
    if not len(one.rows) or not len(other.rows):
        there = one if len(one.rows) else other
        return Asked(there.rows, there.scores, missing)
    rows = np.concatenate([one.rows, other.rows])
    return Asked(rows, np.concatenate([one.scores, other.scores]), missing)


def _predict(version: Version, tensors: Mapping[str, Array], rows: Array) -> Array:
    """The scores of some rows [rows, k]."""
    if any(len(rows) < len(tensor) for tensor in tensors.values()):
        tensors = {name: tensor[rows] for name, tensor in tensors.items()}
    scores: Array = version.model.predict(tensors)
    return scores


def _no_numbers(rows: Array, scores: Array) -> dict[int, str]:
    finite = np.isfinite(scores)
    if finite.all():
        return {}
    return dict.fromkeys(rows[~finite.all(axis=1)].tolist(), NO_NUMBER)


def _silent(want: Wanted, why: str) -> Asked:
    """What a version says that answers none of the rows."""
    nothing = np.zeros(0, int)
    return Asked(nothing, np.zeros((0, 1)), dict.fromkeys(want.rows.tolist(), why))


def _late(want: Wanted) -> Asked:
    return _silent(want, f"took over {want.budget_s * 1e3:g} ms")
