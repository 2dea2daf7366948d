"""sluice tune-rules: settings, measures, what is kept, what is chosen."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sluice.cli import main
from sluice.errors import SluiceError
from sluice.tuning.judge import Measured
from sluice.tuning.measures import diversity, ndcg
from sluice.tuning.picture import _sides
from sluice.tuning.report import report
from sluice.tuning.results import Results
from sluice.tuning.sweep import Setting, settings

DECLARED: list[Mapping[str, Any]] = [
    {"rule": "top_k", "k": 100},
    {"rule": "mmr", "of": "genres", "diversity": 0.3},
    {"rule": "top_k", "k": 10},
]
FIXED = {"decay": {"field": "year"}}


def names(setting: Setting) -> list[str]:
    return [rule["rule"] for rule in setting.rules]


def test_a_sweep_is_every_combination_and_the_graph_as_it_is() -> None:
    sweep: dict[str, dict[str, list[Any]]] = {
        "decay": {"weight": [0.1, 0.2]},
        "mmr": {"diversity": [None, 0.5]},
        "quota": {"n": [3]},
    }
    made = settings(DECLARED, sweep, FIXED)
    assert made[0] == Setting({}, DECLARED)
    assert len(made) == 1 + 2 * 2 * 1
    without, with_mmr = made[1], made[2]
    assert without.name == "decay.weight=0.1, mmr.diversity=null, quota.n=3"
    assert sorted(names(without)) == ["decay", "quota", "top_k", "top_k"]
    assert names(with_mmr) == ["top_k", "decay", "mmr", "quota", "top_k"]
    assert with_mmr.rules[1] == {"rule": "decay", "field": "year", "weight": 0.1}
    assert with_mmr.rules[2] == {"rule": "mmr", "of": "genres", "diversity": 0.5}
    with pytest.raises(SluiceError, match="nothing to sweep"):
        settings(DECLARED, {"mmr": {}}, FIXED)


def test_measures() -> None:
    assert ndcg(["a", "b"], {"a", "b"}) == 1.0
    assert ndcg(["x", "a"], {"a"}) == pytest.approx(1 / math.log2(3))
    assert ndcg(["x"] * 10 + ["a"], {"a"}) == 0.0
    assert diversity(np.eye(3)) == pytest.approx(1.0)
    assert diversity(np.ones((3, 1))) == pytest.approx(0.0)
    assert math.isnan(diversity(np.ones((1, 1))))


def measured(ndcg: float, diverse: float = 0.0, age: float = 1.0, exposed: float = 0.0) -> Measured:
    return Measured(ndcg, diverse, age, exposed, exposed)


def test_the_frontier_and_the_choice_are_of_the_validation_split_alone() -> None:
    tried = [Setting({"rule.p": i}, []) for i in range(4)]
    of = [measured(0.50), measured(0.49, 0.8), measured(0.48, 0.7), measured(0.20, 1.0)]
    done = {("validation", q): {s.name: m for s, m in zip(tried, of, strict=True)} for q in (0, 1)}
    best_there = {s.name: measured(0.9 if s is tried[3] else 0.1) for s in tried}
    found = report(tried, {**done, ("test", 0): best_there}, 0.05, 1)
    assert [one.chosen for one in found] == [False, True, False, False]
    assert ["diversity" in one.frontier for one in found] == [True, True, False, True]
    assert [one.means["test"].measured.ndcg for one in found] == [0.1, 0.1, 0.1, 0.9]
    assert found[1].means["validation"].price == pytest.approx(0.01)
    dear = report(tried, {**done, ("test", 0): best_there}, 0.7, 1)
    assert [one.chosen for one in dear] == [False, False, False, True]


def test_numbers_in_the_picture_keep_away_from_each_other() -> None:
    points = [(0.0, 1.0), (0.5, 0.9), (0.52, 0.88), (1.0, 0.0)]
    assert _sides(points) == dict(zip(points, [-1, -1, 1, 1], strict=True))
    assert _sides([(0.3, 0.4)]) == {(0.3, 0.4): 1}


def test_results_go_on_after_a_kill_and_are_never_mixed(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    results = Results(file, "key")
    results.add("test", 3, {"a": measured(0.5)})
    results.add("test", 3, {"b": Measured(0.1, math.nan, 1.0, 0.0, 0.0)})
    with file.open("ab") as torn:
        torn.write(b'{"split": "te')
    again = Results(file, "key")
    assert again.done["test", 3]["a"] == measured(0.5)
    assert math.isnan(again.done["test", 3]["b"].diversity)
    again.add("test", 4, {"a": measured(0.7)})
    assert set(Results(file, "key").done) == {("test", 3), ("test", 4)}
    with pytest.raises(SluiceError, match="another model, other questions"):
        Results(file, "other")
    file.write_text('{"format": 9, "key": "key"}\n')
    with pytest.raises(SluiceError, match="format 9 is not read: only 1 is"):
        Results(file, "key")


def tune(out: Path, *more: str) -> int:
    command = ["tune-rules", "film-ranking", "--out", str(out), "--questions", "12"]
    return main([*command, "--rule", "mmr", "--param", "diversity=0,.3,.9", *more])


@pytest.mark.usefixtures("films")
def test_a_sweep_from_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tune(tmp_path / "one") == 0
    printed = capsys.readouterr().out
    assert "mmr.diversity=0.9" in printed
    assert "chosen" in printed
    assert [line.split()[0] for line in printed.splitlines()[:5]] == ["#", "0", "1", "2", "3"]
    assert (tmp_path / "one" / "frontier.png").stat().st_size > 10_000
    found = json.loads((tmp_path / "one" / "frontier.json").read_text())["settings"]
    assert [one["changed"] for one in found] == [{}] + [
        {"mmr.diversity": value} for value in (0, 0.3, 0.9)
    ]
    diverse = [one["test"]["diversity"] for one in found[1:]]
    assert all(before < after for before, after in pairwise(diverse))
    assert found[0]["test"]["price"] == {"mean": 0.0, "low": 0.0, "high": 0.0}
    assert sum(one["chosen"] for one in found) == 1

    lines = (tmp_path / "one" / "results.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "results.jsonl").write_bytes(b"".join(lines[:9]))  # stopped on its way
    assert tune(tmp_path / "two") == 0
    for name in ("results.jsonl", "frontier.json"):
        one, two = ((tmp_path / run / name).read_bytes() for run in ("one", "two"))
        assert one == two
    assert tune(tmp_path / "two", "--from-start", "--json") == 0
    assert (tmp_path / "two" / "results.jsonl").read_bytes() == b"".join(lines)


@pytest.mark.usefixtures("films")
def test_what_makes_no_sense_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tune(tmp_path, "--price", "2") == 1
    assert tune(tmp_path, "--questions", "-1") == 1
    assert tune(tmp_path, "--rule", "mmr", "--param", "diversty=1") == 1
    assert tune(tmp_path, "--rule", "mrr", "--param", "diversity=1") == 1
    assert main(["tune-rules", "flight-delay", "--rule", "mmr", "--param", "diversity=1"]) == 1
    told = capsys.readouterr().err
    for text in ("--price 2.0", "--questions -1", "diversty", "no rule 'mrr'", "sluice.tuning"):
        assert text in told
    with pytest.raises(SystemExit):
        main(["tune-rules", "film-ranking", "--param", "diversity=1"])
