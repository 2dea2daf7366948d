"""The bench of decisions: policies that know something decide."""

from __future__ import annotations

from bench.part import Bench
from bench.parts.routing import routing


def test_both_kinds_of_bandits_are_measured() -> None:
    figures = routing(Bench(rounds=1, seconds=0.1))
    assert set(figures) == {"decision_us", "decision_contextual_us"}
    assert all(figure > 0 for figure in figures.values())
