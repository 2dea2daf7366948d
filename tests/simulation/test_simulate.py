"""Some days of the flight year through the whole loop."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sluice.cli import parser
from sluice.errors import SluiceError
from sluice.live import CHAMPION
from sluice.loop.declared import Retrain, Window
from sluice.project import Project
from sluice.simulation.models import part
from sluice.simulation.pipe import Pipe
from sluice.simulation.plan import Plan, project_of, varied
from sluice.simulation.report import Report
from sluice.simulation.simulate import forget, simulate
from sluice.simulation.state import State
from sluice.streams import Message
from sluice.training.dataset import Dataset
from tests.streams.fakes import FakeClock

GRAPH = "flight-delay"
ORIGINS = {"features": ["origin", "carrier"], "half_life": "1d"}


def plan(out: Path, **told: object) -> Plan:
    known = Plan(GRAPH, "2013-04-01", "2013-04-03", out, correction=ORIGINS, sample=6)
    return replace(known, members=("xgboost",), progress=False, **told)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def project(flights: Path) -> Project:
    return Project.find(flights)


@pytest.fixture(scope="module")
def whole(
    project: Project, state: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Plan, Report]:
    """Of models and features that are there: what trains them is tested elsewhere."""
    made = plan(tmp_path_factory.mktemp("simulated"))
    for name in ("models", "features"):
        shutil.copytree(state / name, made.out / "state" / name)
    return made, simulate(project, made)


def test_days_are_answered_corrected_watched_and_drawn(whole: tuple[Plan, Report]) -> None:
    made, report = whole
    assert report.all.questions == sum(month.questions for month in report.months) > 250
    assert 0.3 < report.all.served["log_loss"] < 0.7
    assert report.all.plain == report.all.static  # there was one version all the time
    assert report.all.served != report.all.plain
    assert len(report.versions) == 1
    state = State.load(made.out / "state.npz", made.what, report.all.questions)
    assert not np.isnan(state.served).any()
    # Each question has an event; each label that was known was joined, and credited.
    told = report.counters["labels_joined"]
    assert told == report.labels["credited"] == state.told > 100
    assert json.loads((made.out / "simulation.json").read_bytes())["all"]["questions"] == len(
        state.served
    )
    assert (made.out / "simulate.png").read_bytes()[:4] == b"\x89PNG"


def test_it_goes_on_with_the_day_that_it_was_at(
    whole: tuple[Plan, Report], project: Project
) -> None:
    made, report = whole
    file = made.out / "state.npz"
    assert simulate(project, made).all == report.all  # there is nothing left to play
    state = State.load(file, made.what, report.all.questions)
    state.day, state.told, state.offsets = sorted(float(day) for day in state.versions)[1], 0, {}
    state.save(file)
    after = simulate(project, made)
    # The correction may know an hour more than it did; nothing counts twice.
    assert after.all.static == report.all.static
    assert after.all.served["log_loss"] == pytest.approx(report.all.served["log_loss"], abs=2e-3)
    assert after.counters == report.counters
    assert after.labels["credited"] == 0
    with pytest.raises(SluiceError, match="another simulation"):
        simulate(project, replace(made, sample=5))


def test_the_projects_own_stores_are_left_alone(project: Project, tmp_path: Path) -> None:
    made = plan(tmp_path)
    simulated = project_of(project, made)
    for name in ("models", "features", "events.log", "rewards"):
        assert Path(simulated.path("", name)).is_relative_to(tmp_path)
    assert not simulated.settings.monitoring
    forget(made)
    assert not (tmp_path / "state").exists()


def test_what_is_asked_is_declared(project: Project, tmp_path: Path) -> None:
    several = plan(tmp_path, retrain=True, calendar="28d", correction={"features": []})
    several = replace(several, members=("xgboost", "hist-gradient-boosting"))
    declared = json.loads(json.dumps(_declared()))
    graph = varied(declared, several)
    assert declared == _declared()
    steps = graph["spec"]["graph"]["steps"]
    members = [CHAMPION, "hist-gradient-boosting"]
    assert steps["router"]["class_args"] == {"policy": "ensemble", "members": members}
    rules = steps["postprocess"]["class_args"]["rules"]
    assert [rule["rule"] for rule in rules] == ["correction", "threshold"]
    retrain = graph["spec"]["parameters"]["sluice"]["retrain"]
    assert retrain["every"] == "28d"
    assert retrain["aliases"] == several.aliases
    with pytest.raises(SluiceError, match="no step with rules"):
        varied({"spec": {"graph": {"steps": {}}}}, several)


def test_a_window_is_what_was_asked_before_its_end() -> None:
    as_of = np.arange(10) * 43_200.0  # from the first of January 1970
    data = Dataset([{} for _ in as_of], {}, as_of, as_of)
    parts = [
        part(data, Retrain(window=Window(history_s=history)), {"start": "1970-01-02", "end": end})
        for history, end in ((None, "1970-01-03"), (86_400.0, "1970-01-03"), (None, "1971-01-01"))
    ]
    assert [len(found) for found in parts] == [4, 2, 10]


def _declared() -> dict[str, object]:
    rules = {"rules": [{"rule": "threshold", "at": 0.35}]}
    steps = {"router": {"class_args": {"policy": CHAMPION}}, "postprocess": {"class_args": rules}}
    parameters = {"sluice": {"retrain": {"incidents": ["calibration"]}}}
    return {"spec": {"parameters": parameters, "graph": {"steps": steps}}}


def test_offsets_of_a_pipe_go_on() -> None:
    pipe = Pipe(FakeClock(5.0), {"a": 3})
    assert pipe.produce_many("a", [Message(b"x", "k"), Message(b"y")]) == [(0, 3), (0, 4)]
    assert pipe.produce("b", b"z") == (0, 0)
    records = pipe.take()
    assert [(r.topic, r.offset, r.value) for r in records] == [
        ("a", 3, b"x"), ("a", 4, b"y"), ("b", 0, b"z"),
    ]  # fmt: skip
    assert {r.timestamp for r in records} == {5.0}
    assert pipe.take() == []


@pytest.mark.parametrize(
    ("told", "named"),
    [
        (["--every", "0"], "--every 0"),
        (["--calendar", "28d"], "needs --retrain"),
        (["--from", "2013-05-01"], "is before --from"),
        (["--correction", "origin", "share={origin"], "--correction origin share"),
    ],
)
def test_what_makes_no_sense_is_refused(told: list[str], named: str) -> None:
    line = ["simulate", GRAPH, "--from", "2013-04-01", "--to", "2013-04-02", *told]
    options = parser().parse_args(line)
    with pytest.raises(SluiceError, match=named):
        options.command(options)
