"""What one turn of a peer without HTTP counts."""

from __future__ import annotations

import itertools
from typing import Any

from bench.in_process import measure


class Ticking:
    """A peer and its clock: a call takes 3 s, one in fifty 10 s; making ready takes 7 s."""

    def __init__(self) -> None:
        self.now, self.calls = 0.0, 0

    def clock(self) -> float:
        return self.now

    def ready(self, record: dict[str, Any]) -> Any:
        self.now += 7
        return record["n"]

    def rest(self) -> None:
        """Nothing is left."""

    def call(self, argument: Any) -> Any:
        self.calls += 1
        self.now += 10 if self.calls % 50 == 0 else 3
        return argument

    def probability(self, answer: Any) -> float:
        return float(answer)


def test_only_the_calls_are_timed() -> None:
    peer = Ticking()
    records = itertools.cycle([{"n": 1}, {"n": 2}])
    turn = measure(peer, records, 4000.0, peer.clock, peer.clock)
    assert turn == {"count": 500, "median_us": 3e6, "p99_us": 10e6, "cpu_us": 3.14e6}
    assert peer.calls == 500


def test_a_turn_measures_something_however_short() -> None:
    peer = Ticking()
    assert measure(peer, itertools.repeat({"n": 1}), 0.0, peer.clock, peer.clock)["count"] == 250
