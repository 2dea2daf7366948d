"""What every rule keeps, in a graph: the same answer alone, in a list, in a table, explained."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from functions.postprocess.function import Postprocess
from sluice.batch.scoring import score
from sluice.codec import decode, encode
from sluice.message import Choice, Message
from sluice.parts import join
from sluice.rules.make import RULES, rule_class
from sluice.rules.rule import ListRule, OutputRule
from sluice.service import Service
from tests.rules.lists import COLUMNS, NONE, definitions
from tests.rules.test_laws import EACH
from tests.tiny import ORDER, Tiny

WHEN = 1.7e9
MEMBER = {
    "any": [{"field": "member", "op": "==", "value": True}, {"field": "visits", "op": "missing"}]
}
OUTPUT: dict[str, dict[str, Any]] = {
    "calibrate": {"method": "platt"},
    "clip": {"low": 0.2, "high": 0.7},
    "correction": {"features": ["city"]},
    "group_threshold": {"by": "city", "at": {"Aden": 0.1, "Bonn": 0.9}, "otherwise": 0.4},
    "label": {"at_least": 0.6, "otherwise": "unsure"},
    "override": {"where": MEMBER, "label": "checked"},
    "round": {"digits": 2},
    "threshold": {"costs": {"miss": 3, "false_alarm": 1}},
}
RECORDS: list[dict[str, Any]] = [
    {**ORDER, "city": ("Aden", "Bonn", "Cork")[i % 3], "amount": 41.0 * i, "member": i % 4 == 0}
    for i in range(20)
]
RECORDS += [{"city": "Aden", "time": ORDER["time"]}, {**ORDER, "city": 7}]


def test_every_rule_is_here() -> None:
    kinds = {name: rule_class(name) for name in RULES}
    assert {n for n, k in kinds.items() if issubclass(k, OutputRule)} == set(OUTPUT)
    assert {n for n, k in kinds.items() if issubclass(k, ListRule)} == set(EACH)


PLACES = [(g, n) for g in ("binary", "classes", "regression") for n in OUTPUT]
PLACES.remove(("classes", "correction"))  # which refuses more than two classes


@pytest.fixture(scope="module", params=PLACES)
def served(
    request: pytest.FixtureRequest, tiny: Tiny, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    graph, name = request.param
    shop = tiny.copy(tmp_path_factory.mktemp("rule") / "shop")
    declared = json.dumps([{"rule": name, **OUTPUT[name]}])
    with shop.service(graph) as service:
        given = SimpleNamespace(application=service.application)
        step = Postprocess(given, "postprocess", json.loads(declared))
        step.post_init()
        place: Any = dict(service.graph._plain or ())["postprocess"].__self__  # type: ignore[attr-defined]
        place.rules = step.rules
        yield service


def test_an_answer_is_the_same_whichever_way_it_came(served: Service) -> None:
    whole = served.run(Message(copy.deepcopy(RECORDS), "id", WHEN))["outputs"]
    assert [output for output in whole if "error" in output] == whole[-1:]
    alone = [served.run(Message([r], "id", WHEN))["outputs"][0] for r in RECORDS]
    assert alone == whole
    assert score(served, copy.deepcopy(RECORDS), when=WHEN).outputs() == whole
    parts = [Message([r], "id", WHEN) for r in RECORDS]
    shared: Any = served.graph.run_many(join(parts))
    assert [reply["outputs"][0] for reply in shared] == whole


def test_an_explanation_changes_nothing_else(served: Service) -> None:
    whole = served.run(Message(copy.deepcopy(RECORDS), "id", WHEN))["outputs"]
    asking = Message(copy.deepcopy(RECORDS), "id", WHEN)
    asking.explain = True
    for output, told in zip(whole, served.run(asking)["outputs"], strict=True):
        explained = told.pop("explain", None)
        assert told == output
        if "error" not in output:
            [one] = explained
            assert one["after"] == {n: v for n, v in output.items() if n != "defaults"}
            assert one["reason"]


FILMS: list[tuple[Any, ...]] = [
    (i, ("a|b", "b", "c")[i % 3], "xyz"[i % 3], 1985.0 + i, float(i % 4 == 0)) for i in range(12)
]
ITEMS: dict[str, Any] = {
    "id": "film",
    "show": ["genres"],
    "measure": {
        "first": 4,
        "diversity": "genres",
        "age": {"field": "year", "at": 2000},
        "tail": {"field": "new", "op": "==", "value": True},
        "groups": "seller",
    },
}


def step_of(rules: list[dict[str, Any]]) -> Postprocess:
    application: Any = SimpleNamespace(definitions=definitions(), emitter=None, graph="films")
    made = Postprocess(None, "postprocess", rules, ITEMS)
    made._application = application
    assert made.lists is not None
    made.lists.open(application.definitions)
    return made


def asked(records: int, *, explain: bool = False) -> Message:
    """So many records; the last but one has no candidates, the others have one more each."""
    message = Message([{} for _ in range(records)], "id", WHEN)
    message.explain = explain
    message.columns = COLUMNS
    message.live = SimpleNamespace(answering=lambda _: NONE, version=lambda _: NONE)
    message.rows, message.values, message.as_of, message.defaults = [], [], [], []
    message.ages, message.route, message.scores = [], [], []
    for record in range(records):
        for film in FILMS[: 0 if record == records - 2 else 8 + record]:
            add_row(message, record, film)
    return message


def add_row(message: Message, record: int, film: tuple[Any, ...]) -> None:
    import numpy as np

    message.rows.append(record)
    message.values.append(list(film))
    message.as_of.append(WHEN)
    message.defaults.append({"genres": "empty"} if film[0] == 5 else {})
    message.ages.append({})
    message.route.append(Choice("champion", "champion", "1"))
    message.scores.append(np.array([(film[0] * 7 % 5) / 4]))


@pytest.mark.parametrize("name", EACH)
def test_a_list_is_the_same_whichever_way_it_came(name: str) -> None:
    step = step_of([{"rule": name, **EACH[name]}, {"rule": "top_k", "k": 6}])
    whole = asked(4)
    step._answer(whole)
    assert whole.outputs[2] == {"items": []}
    assert whole.outputs[0]["items"]
    again = decode(encode(asked(4)))
    again.live = whole.live
    step._answer(again)
    assert again.outputs == whole.outputs
    told = asked(4, explain=True)
    step._answer(told)
    for output, explained in zip(whole.outputs, told.outputs, strict=True):
        steps = explained.pop("explain", [])
        assert explained == output
        assert len(steps) == (2 if output["items"] else 0)
        if steps:
            assert steps[0]["after"] == steps[1]["before"]
            after = [(item["id"], item["score"]) for item in steps[1]["after"]]
            assert after == [(item["id"], item["score"]) for item in output["items"]]


def test_a_list_says_what_rules_did_and_what_it_shows() -> None:
    rules = [
        {"rule": "quota", "where": ITEMS["measure"]["tail"], "least": 3, "first": 4},
        {"rule": "top_k", "k": 4},
        {"rule": "top_k", "k": 3},
    ]
    message = asked(4)
    step_of(rules)._answer(message)
    first = message.outputs[0]
    assert [item["id"] for item in first["items"]] == [2, 7, 4]
    assert first["items"][2] == {"id": 4, "score": 0.75, "genres": "b"}
    assert first["rules"] == [
        {"rule": "quota", "moved": 4, "unmet": "1 of 3 among the first 3"},
        {"rule": "top_k", "dropped": 4},
        {"rule": "top_k 2", "dropped": 1},
    ]
    assert list(message.figures) == [0, 1, 3]
    names = [name for name, _ in message.figures[0]]
    assert names == ["model", "quota", "top_k", "top_k 2"]
    figures = message.figures[0][3][1]
    assert figures["age"] == pytest.approx(2000 - (1987 + 1992 + 1989) / 3)
    assert figures["tail"] == pytest.approx(1 / 3)
    assert sum(figures["groups"].values()) == pytest.approx(1.0)
