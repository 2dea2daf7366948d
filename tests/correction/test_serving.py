"""A correction in a graph: taught by its own events and feedback, the same however it is asked."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sluice.batch.scoring import score
from sluice.cli import main
from sluice.commands.learn import reading
from sluice.correction.open import correction_of, open_correction_learner
from sluice.errors import DeclarationError
from sluice.message import Message
from sluice.parts import join
from sluice.project import Project
from sluice.protocol.feedback import Feedback
from sluice.service import Service
from sluice.windows.window import merged
from tests.tiny import ORDER, Tiny
from tests.windows.world import World

RULE = (
    "class_name: functions.postprocess.function.Postprocess\n"
    "        class_args: {rules: [{rule: correction, features: [city], prior: 1%s}]}"
)
CITIES = ("Aden", "Bonn", "Cork")
RECORDS: list[dict[str, Any]] = [
    {**ORDER, "city": CITIES[i % 3], "amount": 41.0 * i, "time": f"2024-01-0{2 + i // 6}T12:30:00Z"}
    for i in range(24)
]
RECORDS.append({**ORDER, "city": 7})
WHEN = 1_704_450_600.0  # 2024-01-05T10:30:00Z


def declare(shop: Tiny, graph: str, more: str = "") -> Tiny:
    old = "class_name: functions.postprocess.function.Postprocess"
    shop.edit(f"graphs/{graph}/graph.yaml", old, RULE % more)
    return shop


def ask(service: Service, id: str, when: float) -> list[dict[str, Any]]:
    outputs: list[dict[str, Any]] = service.run(Message(RECORDS, id, when))["outputs"]
    return outputs


def tell(project: Project, service: Service, graph: str, ids: range, label: Any) -> None:
    clock = iter(range(len(ids)))
    feedback = Feedback.open(project, graph)
    for i in ids:
        hour = 13 + next(clock) % 10
        entries = [
            {"id": f"r{i}", "record": r, "label": label, "when": f"2024-01-04T{hour}:40:00Z"}
            for r in range(len(RECORDS) - 1)
        ]
        feedback.take(entries, service.application.live(), 1000)


def teach(project: Project, graph: str) -> dict[str, int]:
    plan = correction_of(project, graph)
    learner, ledger = open_correction_learner(project, graph, plan)
    with closing(ledger), reading(project, graph, "test") as consumer:
        learner.run(consumer, once=True)
    return dict(learner.counts)


@pytest.fixture(params=["binary", "regression"])
def taught(shop: Tiny, request: pytest.FixtureRequest) -> tuple[Tiny, str]:
    """A graph whose answers were all too low, and that has learnt it."""
    graph: str = request.param
    declare(shop, graph)
    with closing(Service.open(shop.project, graph)) as service:
        for i in range(10):
            ask(service, f"r{i}", WHEN)
        label = 1 if graph == "binary" else 100.0
        tell(shop.project, service, graph, range(10), label)
    counts = teach(shop.project, graph)
    assert counts["credited"] == 240
    return shop, graph


def test_before_any_label_answers_are_the_models(shop: Tiny) -> None:
    with shop.service("binary") as service:
        plain = ask(service, "r", WHEN)
    declare(shop, "binary")
    with shop.service("binary") as service:
        corrected = ask(service, "r", WHEN)
    for before, after in zip(plain[:-1], corrected[:-1], strict=True):
        told = after.pop("correction")
        assert after == before
        assert (told["from"], told["version"], told["frozen"]) == (before["probability"], 0, False)


def test_answers_follow_labels_and_say_so(taught: tuple[Tiny, str]) -> None:
    shop, graph = taught
    name = "probability" if graph == "binary" else "prediction"
    with shop.service(graph) as service:
        outputs = ask(service, "later", WHEN)[:-1]
        numbers = {output["correction"]["version"] for output in outputs}
        newest = service.application.correction
        assert newest is not None
        assert max(numbers) == newest.known.snapshots[-1].number
    early = [o for o in outputs if o["correction"]["version"] == 0]
    late = [o for o in outputs if o["correction"]["version"] > 1]
    assert early
    assert late
    assert all(output[name] == output["correction"]["from"] for output in early)
    assert all(output[name] > output["correction"]["from"] for output in late)
    if graph == "binary":
        assert all(output["label"] == (output[name] >= 0.5) for output in outputs)


def test_an_answer_is_the_same_whichever_way_it_came(taught: tuple[Tiny, str]) -> None:
    shop, graph = taught
    with shop.service(graph) as service:
        whole = ask(service, "id", WHEN)
        alone = [service.run(Message([r], "id", WHEN))["outputs"][0] for r in RECORDS]
        assert alone == whole
        scored = score(service, RECORDS, when=WHEN)
        assert scored.outputs() == whole
        assert scored.table().column("correction").to_pylist()[0] == whole[0]["correction"]
        parts = [Message([r], "id", WHEN) for r in RECORDS]
        shared: Any = service.graph.run_many(join(parts))
        assert [reply["outputs"][0] for reply in shared] == whole
        asking = Message(RECORDS, "id", WHEN)
        asking.explain = True
        [told] = service.run(asking)["outputs"][23]["explain"]
        assert told["reason"].startswith("by snapshot ")


def test_a_table_teaches_what_its_requests_teach(taught: tuple[Tiny, str]) -> None:
    """Events of tables have the uncorrected scores too, and the time of each row."""
    shop, graph = taught
    project = shop.project
    with closing(Service.open(project, graph)) as service:
        ids = [f"t{i}" for i in range(len(RECORDS))]
        score(service, RECORDS, ids=ids, when=WHEN)
        label = 1 if graph == "binary" else 100.0
        entries = [{"id": id, "label": label, "when": "2024-01-05T12:00:00Z"} for id in ids[:-1]]
        Feedback.open(project, graph).take(entries, service.application.live(), 1000)
    assert teach(project, graph)["credited"] == 24
    assert not any(teach(project, graph).values())


def test_the_monitor_knows_what_the_model_itself_said(taught: tuple[Tiny, str]) -> None:
    """Of a request with many records, of one with one, and of a table's rows."""
    (shop, graph), later = taught, WHEN + 86_400.0
    project, ids = World(shop, graph, "").project, [f"t{i}" for i in range(len(RECORDS))]
    name, label = ("probability", 1) if graph == "binary" else ("prediction", 100.0)
    with closing(Service.open(project, graph)) as service:
        served = [*ask(service, "whole", later)[:-1]]
        served += score(service, RECORDS, ids=ids, when=later).outputs()[:-1]
        served += service.run(Message(RECORDS[:1], "alone", later))["outputs"]
        entries = [{"id": "whole", "record": r} for r in range(len(RECORDS) - 1)]
        entries += [{"id": id} for id in [*ids[:-1], "alone"]]
        told = [
            {**e, "label": n, "when": "2024-01-06T12:00:00Z"} for n in (0, label) for e in entries
        ]
        Feedback.open(project, graph).take(told, service.application.live(), 1000)
    World(shop, graph, "").work()
    with World(shop, graph, "").windows() as windows:
        found = merged(windows.days(later - 86_400.0))
    assert found.labels == len(served) == 49
    own = np.mean([output["correction"]["from"] for output in served])
    mean = np.mean([output[name] for output in served])
    assert mean > own
    if graph == "binary":
        assert (found.predicted, found.unmoved().predicted) == pytest.approx((mean, own))
    else:
        assert (found.bias, found.unmoved().bias) == pytest.approx((mean - 100.0, own - 100.0))


def test_a_correction_is_looked_after_from_the_command_line(
    taught: tuple[Tiny, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, graph = taught
    monkeypatch.setenv("SLUICE_PROJECT", str(shop.root))
    monkeypatch.setenv("SLUICE_STATE", str(shop.project.settings.state))
    assert main(["correction", "learn", graph, "--once"]) == 0
    assert "credited 0, repeated 240" in capsys.readouterr().out
    assert main(["correction", "status", graph, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    [known] = told["versions"]
    assert (known["labels"], known["off"]) == (240, False)
    assert known["base"] > 0
    assert main(["correction", "status", graph]) == 0
    assert "the last label was counted" in capsys.readouterr().out
    for arguments, text in (
        (["freeze", graph], "is frozen at snapshot"),
        (["freeze", graph, "--thaw"], "follows labels"),
        (["reset", graph], "knows nothing any more"),
        (["status", graph], "nothing is known yet"),
        (["freeze", graph], "nothing to freeze"),
    ):
        assert main(["correction", *arguments]) == 0
        assert text in capsys.readouterr().out


@pytest.mark.parametrize(
    ("graph", "more", "problem"),
    [
        ("classes", "", "is for two classes, or numbers; the champion has 3"),
        ("binary", ", features: [visits]", "visits is no text"),
    ],
)
def test_a_graph_that_cannot_be_corrected_is_told_when_it_is_loaded(
    shop: Tiny, graph: str, more: str, problem: str
) -> None:
    declare(shop, graph, more)
    if more:
        shop.edit(f"graphs/{graph}/graph.yaml", "features: [city], ", "")
    with pytest.raises(DeclarationError, match=problem):
        Service.open(shop.project, graph)


@pytest.mark.parametrize(
    ("features", "problem"),
    [("[nothing]", "no record field 'nothing'"), ("[sky]", "no record field"), ("5", "a list")],
)
def test_features_that_cannot_be(shop: Tiny, features: str, problem: str) -> None:
    declare(shop, "binary")
    shop.edit("graphs/binary/graph.yaml", "[city]", features)
    with pytest.raises(DeclarationError, match=problem):
        Service.open(shop.project, "binary")


def test_it_is_the_first_rule_and_its_features_are_not_redacted(shop: Tiny) -> None:
    with pytest.raises(DeclarationError, match="no rule is a correction"):
        correction_of(shop.project, "binary")
    declare(shop, "binary")
    file = "graphs/binary/graph.yaml"
    shop.edit(file, "training: tiny", "redact: {city: drop}\n      training: tiny")
    with pytest.raises(DeclarationError, match="city is redacted"):
        correction_of(shop.project, "binary")
    shop.edit(file, "rules: [{", "rules: [{rule: round, digits: 2}, {")
    with pytest.raises(DeclarationError, match="it is the first rule"):
        Service.open(replace(shop.project), "binary")
