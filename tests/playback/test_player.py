"""The player: order, pace, and going on after a stop."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from sluice.errors import SluiceError
from sluice.playback.player import Clock, Do, Player
from sluice.playback.state import FORMAT, State
from sluice.playback.timeline import Kind

ASKED = np.array([0.0, 10, 10, 20, 30, 40, 41, 42])
HAPPENED = np.array([10.0, 15, 40])
WHAT = {"graph": "toy", "questions": len(ASKED)}


class Wall:
    """A clock whose sleep is what moves it."""

    def __init__(self) -> None:
        self.time = 100.0
        self.clock = Clock(lambda: self.time, self.sleep)

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.time += seconds


class Toy:
    """Answers a question with its place over ten, and keeps what happened in which order."""

    def __init__(self, fail_at: int | None = None) -> None:
        self.happened: list[tuple[str, list[int]]] = []
        self.fail_at = fail_at

    def deeds(self) -> dict[Kind, Do]:
        return {Kind.QUESTION: self.ask, Kind.EVENT: self.take}

    def ask(self, state: State, places: Sequence[int]) -> None:
        if self.fail_at in places:
            raise KeyboardInterrupt
        self.happened.append(("ask", list(places)))
        state.note(places, [place / 10 for place in places])

    def take(self, state: State, places: Sequence[int]) -> None:
        self.happened.append(("take", list(places)))


def streams() -> dict[Kind, np.ndarray[tuple[int], np.dtype[np.float64]]]:
    return {Kind.QUESTION: ASKED, Kind.EVENT: HAPPENED}


def no_save() -> None:
    return None


def test_events_come_between_the_questions() -> None:
    toy, state = Toy(), State.new(WHAT, len(ASKED))
    Player(streams(), toy.deeds(), at_once=2).play(state, no_save)
    assert toy.happened == [
        ("ask", [0]), ("take", [0]), ("ask", [1, 2]), ("take", [1]), ("ask", [3, 4]),
        ("take", [2]), ("ask", [5, 6]), ("ask", [7]),
    ]  # fmt: skip
    assert state.answers.tolist() == [p / 10 for p in range(8)]
    assert state.request_of(6) == (f"{state.run}-5", 1)


def test_at_a_speed_nothing_is_done_before_its_time_nor_a_second_after() -> None:
    wall, state = Wall(), State.new(WHAT, len(ASKED))
    done: list[tuple[float, float]] = []

    def ask(state: State, places: Sequence[int]) -> None:
        done.extend((wall.time - 100, ASKED[place] / 4) for place in places)

    Player({Kind.QUESTION: ASKED}, {Kind.QUESTION: ask}, speed=4, clock=wall.clock).play(
        state, no_save
    )
    assert len(done) == len(ASKED)
    for at, due in done:
        assert due <= at < due + 1
    assert wall.time == pytest.approx(100 + 42 / 4)


def test_a_replay_that_was_stopped_anywhere_goes_on(tmp_path: Path) -> None:
    whole = State.new(WHAT, len(ASKED))
    Player(streams(), Toy().deeds(), at_once=1).play(whole, no_save)
    for stop in range(len(ASKED)):
        file = tmp_path / f"{stop}.npz"
        state, first = State.new(WHAT, len(ASKED)), Toy(fail_at=stop)
        with pytest.raises(KeyboardInterrupt):
            Player(streams(), first.deeds(), at_once=1).play(state, partial(state.save, file))
        again, second = State.load(file, WHAT), Toy()
        assert again.run == state.run
        Player(streams(), second.deeds(), at_once=1).play(again, no_save)
        asked = [p for done in (first, second) for kind, p in done.happened if kind == "ask"]
        assert asked == [[place] for place in range(len(ASKED))]
        assert again.answers.tolist() == whole.answers.tolist()


def test_it_saves_every_few_seconds_and_at_the_end() -> None:
    wall, state = Wall(), State.new(WHAT, len(ASKED))
    saves: list[int] = []
    player = Player({Kind.QUESTION: ASKED}, Toy().deeds(), speed=1, save_every=15, clock=wall.clock)
    player.play(state, lambda: saves.append(state.position))
    assert saves == [4, 6, 8]


def test_a_state_of_another_replay_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "state.npz"
    State.new({**WHAT, "graph": "other"}, 3).save(file)
    with pytest.raises(SluiceError, match=r"another replay \(graph: other, now toy\)"):
        State.load(file, WHAT)


def test_what_is_no_state_is_refused_and_so_is_a_newer_one(
    tmp_path: Path,
) -> None:
    file = tmp_path / "state.npz"
    file.write_bytes(b"PK\x03\x04 half a file")
    with pytest.raises(SluiceError, match="not a replay's state"):
        State.load(file, WHAT)
    head = f'{{"format": {FORMAT + 1}}}'
    np.savez(file, head=np.array(head), answers=np.zeros(1), batches=np.zeros(1))
    with pytest.raises(SluiceError, match=f"format {FORMAT + 1}"):
        State.load(file, WHAT)
