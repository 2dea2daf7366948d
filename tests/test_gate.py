"""A version may go live only when serving gives what training saw."""

from __future__ import annotations

import pytest

from tests.tiny import GRAPHS, Tiny


@pytest.mark.parametrize("graph", GRAPHS)
def test_an_honest_version_passes(tiny: Tiny, graph: str) -> None:
    for number in tiny.models.versions(graph):
        evidence = tiny.gate(graph).check(number)
        assert (evidence["rows"], evidence["golden"], evidence["differ"]) == (200, 20, {})
        assert evidence["values"] > 200
        assert evidence["largest_score_difference"] <= 6e-5
