"""The output: a flat map, and a table that has the ratios first."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.part import Bench, check_same
from bench.report import HEADLINES, table, write

FIGURES = {name: float(n) for n, (name, _) in enumerate(HEADLINES)} | {"a": 1.0, "z": 12345.6}
PAGE = Path(__file__).parents[2] / "docs" / "bench.md"


def test_a_flat_map_from_figure_to_number(tmp_path: Path) -> None:
    write(FIGURES, tmp_path / "build" / "bench.json")
    assert json.loads((tmp_path / "build" / "bench.json").read_text()) == FIGURES


def test_the_table_has_every_figure_the_ratios_first() -> None:
    lines = table(FIGURES).splitlines()
    assert lines[0] == "ours divided by theirs"
    assert [float(line.split()[0]) for line in lines[1 : 1 + len(HEADLINES)]] == list(
        map(float, range(len(HEADLINES)))
    )
    assert {line.split()[0] for line in lines[3 + len(HEADLINES) :]} == set(FIGURES)


def test_every_headline_is_in_the_page() -> None:
    page = PAGE.read_text()
    assert not [name for name, _ in HEADLINES if f"`{name}`" not in page]


def test_turns_are_interleaved() -> None:
    assert list(Bench(rounds=2, seconds=1.0).turns("x", "ABC")) == list("ABCABC")


def test_a_peer_that_does_other_work_is_no_peer() -> None:
    check_same("bare", [0.5, 0.25], [0.5, 0.2500009])
    with pytest.raises(ValueError, match=r"mlrun does other work: .* up to 0\.05"):
        check_same("mlrun", [0.5, 0.25], [0.5, 0.3])
