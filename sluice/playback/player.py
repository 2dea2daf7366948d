"""The player: goes through a timeline, and does what is due."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sluice.playback.recording import Times
from sluice.playback.state import State
from sluice.playback.timeline import Kind, Run, Timeline

Do = Callable[[State, Sequence[int]], None]
AT_ONCE = 1_000
SAVE_EVERY = 5.0


@dataclass(frozen=True)
class Clock:
    """Seconds, monotonic, and a way to wait for some."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


class Player:
    """Plays the runs of streams in the order of their times.

    Without a speed, as fast as it goes: a run is as long as nothing of another kind comes between
    (and at most `at_once` long). With one, a run waits until all of it is due, so nothing is done
    before its time, and at most a second after it.

    Args:
        streams: the times of each kind's stream.
        deeds: what is done with a run of each kind; it gets the state and the places of the run in
            its stream.
        speed: simulated seconds per second; None: as fast as it goes.
        at_once: the longest run.
        span: runs are also cut where the next multiple of so many seconds begins; by default at
            the speed, as often as a second of ours.
        save_every: seconds between saves.
        clock: what waiting and saving go by.
    """

    def __init__(
        self,
        streams: Mapping[Kind, Times],
        deeds: Mapping[Kind, Do],
        *,
        speed: float | None = None,
        at_once: int = AT_ONCE,
        span: float | None = None,
        save_every: float = SAVE_EVERY,
        clock: Clock | None = None,
    ) -> None:
        self._timeline = Timeline(streams)
        self._deeds, self._speed, self._at_once = deeds, speed, at_once
        self._span = speed if span is None else span
        self._save_every = save_every
        self._clock = clock or Clock()

    def __len__(self) -> int:
        return len(self._timeline)

    def play(
        self,
        state: State,
        save: Callable[[], None],
        show: Callable[[Run], None] = lambda _: None,
    ) -> None:
        """Play from the state's position to the end.

        Args:
            state: is changed as it goes; its position moves when a run is done.
            save: called every few seconds, and at the end, however that comes.
            show: called after each run.
        """
        saved = started = self._clock.now()
        begin = self._timeline.times[state.position] if state.position < len(self) else 0.0
        try:
            for run in self._timeline.runs(state.position, self._at_once, self._span):
                if self._speed is not None:
                    self._wait(started + (run.time - begin) / self._speed)
                self._deeds[run.kind](state, run.places.tolist())
                state.position = run.end
                show(run)
                if self._clock.now() - saved >= self._save_every:
                    save()
                    saved = self._clock.now()
        finally:
            save()

    def _wait(self, due: float) -> None:
        early = due - self._clock.now()
        if early > 0:
            self._clock.sleep(early)
