"""What people do to a loop: stop it, let it go on, agree to a version or refuse it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import msgspec

from sluice.canary.run import UNDER_WAY as CANARY_UNDER_WAY
from sluice.errors import SluiceError, StoreUnavailable
from sluice.loop.advance import Stages, is_of, latest, onward
from sluice.loop.declared import Retrain
from sluice.loop.run import CANARY, DROPPED, UNDER_WAY, WAITING, Board, Memory, Run, Step
from sluice.models.document import utc_text
from sluice.models.store import ModelStore
from sluice.streams import Clock

_TRIES = 10


class Controls:
    """The controls of one graph's loop; they work beside a loop that is at work.

    Args:
        graph, retrain, models: as the loop's.
        canary: what a stop ends, too.
        clock: for when it was done.
    """

    def __init__(
        self,
        graph: str,
        retrain: Retrain,
        models: ModelStore,
        canary: Stages | None = None,
        clock: Clock = time,
    ) -> None:
        self._graph, self._retrain = graph, retrain
        self._canary, self._clock = canary, clock
        self._board = Board(models, graph)

    def stop(self, by: str, why: str = "") -> Memory:
        """Begin and go on with nothing until `resume`; a canary of the loop's ends.

        Raises SluiceError where it is stopped already.
        """

        def stopped(memory: Memory) -> Memory:
            if memory.stopped is not None:
                raise SluiceError(f"{self._graph}: {memory.stopped.by} has stopped its loop")
            step, run = self._step("stop", "stopped", why, by), memory.run
            if run is not None and self._end_canary(run, by):
                run = run.then(self._clock.time(), "canary", DROPPED, "stopped by hand", by=by)
            return msgspec.structs.replace(
                memory, run=run, stopped=step, notes=[*memory.notes, step]
            )

        return self._change(stopped)

    def resume(self, by: str) -> Memory:
        """Go on. Raises SluiceError where it is not stopped."""

        def resumed(memory: Memory) -> Memory:
            if memory.stopped is None:
                raise SluiceError(f"{self._graph}: its loop is not stopped")
            step = self._step("resume", "running", "", by)
            return msgspec.structs.replace(memory, stopped=None, notes=[*memory.notes, step])

        return self._change(resumed)

    def approve(self, version: str, by: str) -> Memory:
        """Let a version go on that waits for it. Raises SluiceError for another one."""
        return self._change(
            lambda memory: self._decided(
                memory, (WAITING,), version, (onward(self._retrain), "approve", by)
            )
        )

    def reject(self, version: str, by: str) -> Memory:
        """End the run that has made a version. Raises SluiceError where there is no such run."""

        def rejected(memory: Memory) -> Memory:
            after = self._decided(memory, UNDER_WAY, version, (DROPPED, "reject", by))
            if memory.run is not None:
                self._end_canary(memory.run, by)
            return after

        return self._change(rejected)

    def _decided(
        self, memory: Memory, states: Sequence[str], version: str, what: tuple[str, str, str]
    ) -> Memory:
        run, (state, action, by) = memory.run, what
        if run is None or run.state not in states or version not in run.made.values():
            now = f"run {run.number} is {run.state}" if run else "there was no run yet"
            made = f", version {', '.join(run.made.values())}" if run and run.made else ""
            why = f"there is no version {version} to {action}: {now}{made}"
            raise SluiceError(f"{self._graph}: {why}")
        after = run.then(self._clock.time(), action, state, f"version {version}", by=by)
        return msgspec.structs.replace(memory, run=after)

    def _end_canary(self, run: Run, by: str) -> bool:
        """End a canary of a run: nobody would look at it. Whether there was one."""
        status = latest(self._canary) if self._canary and run.state == CANARY else None
        if self._canary is None or status is None or not is_of(status, run):
            return False
        if status.run.state in CANARY_UNDER_WAY:
            self._canary.stop(by, "its loop was stopped")
            return True
        return False

    def _step(self, action: str, state: str, why: str, by: str) -> Step:
        return Step(utc_text(self._clock.time), action, state, why, by)

    def _change(self, change: Callable[[Memory], Memory]) -> Memory:
        for _ in range(_TRIES):
            memory, token = self._board.look()
            after = change(memory)
            if self._board.put(after, token):
                return after
        raise StoreUnavailable(f"{self._graph}: its loop changes all the time")
