"""What a graph may declare of training again, and what is refused by name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sluice.check.graph import check_graph
from sluice.check.problems import Problems
from sluice.errors import DeclarationError
from sluice.loop.check import check_retrain
from sluice.loop.declared import Retrain, Window
from sluice.parameters import Parameters
from sluice.project import Project
from sluice.service import read_spec
from tests.conftest import ROOT
from tests.loop.worlds import DAY, NOW
from tests.tiny import Tiny


def parse(**declared: Any) -> Retrain:
    return Retrain.parse(declared, "graph.yaml")


def test_what_is_left_out_is_as_measured_on_the_flights() -> None:
    retrain = parse()
    assert retrain == Retrain()
    assert (retrain.incidents, retrain.every_s) == (("calibration",), None)
    assert (retrain.cool_down_s, retrain.runs, retrain.per_s) == (14 * DAY, 12, 365 * DAY)
    assert (retrain.compare.days, retrain.compare.margin) == (14, 0.0)
    assert dict(retrain.aliases) == {"champion": ""}


def test_a_window_ends_when_labels_have_come_and_may_begin_later() -> None:
    assert Window().arguments(NOW + 3600) == {"end": "2024-01-31"}
    window = parse(window={"end": "to", "start": "from", "lag": "2d", "history": "30d"}).window
    assert window.arguments(NOW) == {"to": "2024-01-30", "from": "2023-12-31"}
    assert window.until(NOW) == NOW - 2 * DAY


@pytest.mark.parametrize(
    ("declared", "problem"),
    [
        ({"incident": []}, "retrain.incident: unknown field"),
        ({"incidents": [1]}, "retrain.incidents: expected names, found 1"),
        ({"incidents": []}, "retrain.incidents: nothing starts it"),
        ({"every": "7d"}, "retrain.every: expected a day at least, and not less than cool_down"),
        ({"cool_down": "-1d"}, "retrain.cool_down: not a duration"),
        ({"budget": {"runs": 0}}, "retrain.budget.runs: expected 1 at least"),
        ({"budget": {"per": "1h"}}, "retrain.budget.per: expected 1d to 36600d"),
        ({"budget": {"run": 1}}, "retrain.budget.run: unknown field"),
        ({"window": {"lag": "900d"}}, "retrain.window.lag: expected 0d to 366d"),
        ({"window": {"history": "1h"}}, "retrain.window.history: expected a day"),
        ({"window": {"start": "end"}}, "retrain.window.start: both ends are 'end'"),
        ({"compare": {"by": "auc"}}, "retrain.compare.by: unknown value 'auc'"),
        ({"compare": {"days": 0}}, "retrain.compare.days: expected 1"),
        ({"compare": {"rows": 0}}, "retrain.compare.rows: expected 1"),
        ({"compare": {"margin": -0.1}}, "retrain.compare.margin: expected 0 or more"),
        ({"aliases": {}}, "retrain.aliases: none is named"),
        ({"aliases": {"2": ""}}, "'2' cannot be an alias"),
        ({"canary": True, "aliases": {"champion": "", "b": ""}}, "retrain.canary: is for"),
        ({"approval": 1}, "retrain.approval: expected true or false"),
    ],
)
def test_what_makes_no_sense_is_refused(declared: dict[str, Any], problem: str) -> None:
    with pytest.raises(DeclarationError) as error:
        parse(**declared)
    assert problem in str(error.value)


@pytest.mark.parametrize(
    ("declared", "problem"),
    [
        ("{}", ""),
        ("{days: 3}", "retrain.days: unknown field"),
        ("{compare: {by: rmse}}", "'rmse' does not compare versions of a classification"),
        ("{canary: true}", "the router's policy is champion"),
        ("{on: [calibration]}", "the key True is"),
    ],
)
def test_sluice_check_reads_it(shop: Tiny, declared: str, problem: str) -> None:
    shop.edit("graphs/binary/graph.yaml", "format: 1\n", f"format: 1\n      retrain: {declared}\n")
    problems = Problems(shop.root)
    check_graph(problems, shop.project, "binary")
    found = [str(one) for one in problems.found if "retrain" in str(one) or "router" in str(one)]
    assert len(found) == (1 if problem else 0)
    assert all(problem in one for one in found)


def test_a_ranking_is_not_compared() -> None:
    project = Project.find(ROOT)
    spec = read_spec(project, "film-ranking")
    parameters = replace(Parameters.parse(spec.parameters["sluice"], spec.file), retrain={})
    with pytest.raises(DeclarationError, match="versions of a ranking are not compared yet"):
        check_retrain(project, parameters, spec.file)
