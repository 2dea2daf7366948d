"""What a Sluice with streams, batch, ledger and monitor left behind is read, and goes on."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest

from sluice.alerts import state as alerts
from sluice.application import Application
from sluice.batch.database import open_database
from sluice.batch.records import outcomes, summary
from sluice.cli import main
from sluice.environment import acquire, release
from sluice.gate import Gate
from sluice.parameters import Parameters
from sluice.project import Project
from sluice.routing.decisions import read_feedback
from sluice.service import Service, read_spec
from sluice.stores import event_stream, reward_ledger
from sluice.streaming.letters import DeadLetters
from sluice.streaming.topics import Topics
from sluice.streams import open_stream
from sluice.upgrade.log import upgrade
from sluice.upgrade.places import REWRITE, places
from sluice.windows.open import folder
from sluice.windows.windows import Windows
from tests.golden.states import GRAPH, HERE, unpack
from tests.upgrade.logs import contents

NOW = 1_704_067_200.0


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return unpack(tmp_path, "second")


def counted(project: Project) -> Counter[str]:
    """Records by version, and labels."""
    found: Counter[str] = Counter()
    with Windows.open(project, GRAPH) as windows:
        for window in windows.hours():
            found[window.version] += window.records
            found["labels"] += window.labels
    return found


def parameters_of(project: Project) -> Parameters:
    spec = read_spec(project, GRAPH)
    return Parameters.parse(spec.parameters["sluice"], spec.file)


def test_versions_of_three_ages_pass_the_gate(project: Project) -> None:
    application = Application.open(project, parameters_of(project))
    assert application.models.versions(GRAPH) == ["1", "2", "3"]
    for version in ("1", "2", "3"):
        Gate.of(project, application).check(version)
    application.close()


def test_the_monitor_goes_on_and_counts_nothing_twice(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = counted(project)
    assert before == {"1": 5, "2": 5, "3": 4, "": 0, "labels": 1}
    monkeypatch.setenv("SLUICE_PROJECT", str(HERE / "project"))
    monkeypatch.setenv("SLUICE_STATE", project.settings.state)
    assert main(["monitor", GRAPH, "--once"]) == 0
    assert counted(project) == before
    with Service.open(Project.find(), GRAPH) as service:
        service.predict({"city": "Aden", "time": "2024-01-01T12:30:00Z"})
    assert main(["monitor", GRAPH, "--once"]) == 0
    assert counted(project) == before + Counter({"3": 1})


def test_what_alerts_remember(project: Project) -> None:
    environment = acquire(alerts.state_file(folder(project), GRAPH), alerts.KIND)
    until, _ = environment.read(alerts.looked)
    assert until > NOW
    assert environment.read(alerts.incidents) == []
    release(environment)


def test_feedback(project: Project) -> None:
    stream = event_stream(project)
    [record] = stream.consumer("all", [f"shop.{GRAPH}.feedback"]).poll(10, 0)
    stream.close()
    entry = read_feedback(record.value)
    assert (entry.id, entry.record, entry.label) == ("order-0", 0, 1)


def test_dead_letters_are_named_and_put_back(project: Project) -> None:
    stream = open_stream(project.path("", "stream.log"))
    letters = DeadLetters(stream, Topics.of("shop", GRAPH, parameters_of(project).stream), time)
    assert {letter.request: letter.status for letter in letters.all()} == {
        "order-2": 422, "order-3": 400,
    }  # fmt: skip
    assert letters.replay(letters.all()) == 2
    stream.close()


def test_the_batch_database(project: Project) -> None:
    database = open_database(project, GRAPH)
    found = summary(database)
    assert (found.pending, found.done, found.failed) == (0, 2, 1)
    good, _, bad = outcomes(database, ["order-0", "order-1", "order-2"])
    database.close()
    with Service.open(project, GRAPH) as service:
        record = {"city": "Aden", "amount": 900.5, "time": "2024-01-01T12:30:00Z"}
        assert good.output == service.predict(record)
    assert bad.reason == "amount: expected 0 to 1000, found 5000"


def test_the_ledger_of_rewards(project: Project) -> None:
    ledger = reward_ledger(project, GRAPH, "golden")
    assert ledger.sums() == {7: {"n": 2, "sum": 1}}
    assert ledger.notes(["note", "none"]) == [b"kept", None]
    assert ledger.head(NOW).version == 1
    ledger.close()


def test_a_log_that_was_written_on_is_the_only_one_to_be_rewritten(project: Project) -> None:
    [older] = [place for place in places(project) if place.state == REWRITE]
    log = Path(project.path("", "events.log"))
    assert (older.where, older.found) == (str(log), 2)
    topics = (f"shop.{GRAPH}.events", f"shop.{GRAPH}.feedback")
    before = contents(log, topics)
    assert len(before[topics[0]][1]) == 14
    upgrade(log, lambda *_: None)
    assert contents(log, topics) == before
    assert all(place.state != REWRITE for place in places(project))
