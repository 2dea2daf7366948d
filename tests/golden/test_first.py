"""What an early Sluice left behind is read, answered from, and goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.application import Application
from sluice.drift.reference import Reference
from sluice.environment import acquire, release
from sluice.features.embedded import KIND as FEATURES
from sluice.gate import Gate
from sluice.models.golden import Golden
from sluice.parameters import Parameters
from sluice.project import Project
from sluice.routing.decisions import read_decisions
from sluice.service import Service, read_spec
from sluice.stores import event_stream, model_store
from sluice.streams import Record
from sluice.windows.event import read_events
from tests.golden.states import GRAPH, asked, unpack

TOPIC = f"shop.{GRAPH}.events"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return unpack(tmp_path)


def events(project: Project) -> list[Record]:
    stream = event_stream(project)
    records = stream.consumer("all", [TOPIC]).poll(100, 0)
    stream.close()
    return records


@pytest.mark.parametrize("alias", ["champion", "challenger"])
def test_its_versions_answer_to_the_bit_what_they_answered(project: Project, alias: str) -> None:
    pinned = None if alias == "champion" else alias
    with Service.open(project, GRAPH) as service:
        for request in asked(project, alias):
            assert service.predict(request["record"], version=pinned) == request["answer"]


def test_its_versions_are_of_the_first_manifest_and_pass_the_gate(project: Project) -> None:
    spec = read_spec(project, GRAPH)
    application = Application.open(project, Parameters.parse(spec.parameters["sluice"], spec.file))
    for version in application.models.versions(GRAPH):
        assert application.models.read(GRAPH, version).manifest.format == 1
        Gate.of(project, application).check(version)
    application.close()


def test_aliases_and_their_history(project: Project) -> None:
    models = model_store(project)
    aliases = models.aliases(GRAPH)
    assert {name: alias.version for name, alias in aliases.items()} == {
        "champion": "2", "challenger": "1",
    }  # fmt: skip
    assert [move.version for move in models.history(GRAPH)] == ["1", "2", "1"]
    assert models.rollback(GRAPH).version == "1"


def test_references_and_golden_requests(project: Project) -> None:
    files = model_store(project).read(GRAPH, "2").files
    reference = Reference.load(files["reference.json"])
    assert reference.rows == 120
    assert set(reference.bins) >= {"city", "amount", "weather.temp", "weather.sky"}
    assert len(Golden.load(files["golden.json"]).cases) > 0


def test_its_events_are_read_by_all_who_read_events(project: Project) -> None:
    values = [record.value for record in events(project)]
    assert len(values) == 10
    assert {event.sluice.version for event in read_events(values)} == {"1", "2"}
    decisions = [decision for value in values for decision in read_decisions(value)]
    found = sorted(decision.scores[decision.version][0] for decision in decisions)
    both = [*asked(project, "champion"), *asked(project, "challenger")]
    assert found == sorted(request["answer"]["probability"] for request in both)


def test_its_features_are_of_the_format_that_is_written(project: Project) -> None:
    environment = acquire(Path(project.settings.state) / "features", FEATURES)
    mark = environment.read(lambda txn: txn.get(FEATURES.key))
    release(environment)
    assert mark == b"%d" % FEATURES.format
