"""Ensembles: how scores combine, and what happens when a member fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sluice.batch.scoring import score
from sluice.errors import DeclarationError, Unavailable
from sluice.live import Live
from sluice.message import Message
from sluice.models.model import Input
from sluice.routing import make_policy
from sluice.routing.ensemble_ask import BUSY
from sluice.routing.ensemble_combine import combine, sigmoid
from sluice.service import Service
from sluice.team import COMBINES, Member, Team
from tests.tiny import ORDER, Tiny

BOTH = "{policy: ensemble, members: [champion, challenger]%s}"


def team(*weights: float, combine: str = "mean", bias: float = 0.0) -> Team:
    members = tuple(Member(f"m{i}", str(i), w) for i, w in enumerate(weights))
    return Team(members, combine, bias)


def column(*values: float) -> Any:
    return np.array(values, np.float32)[:, None]


def test_what_each_way_makes_of_three() -> None:
    scores = [column(0.25), column(0.5), column(1.0)]
    for way, weights, wanted in (
        ("mean", (1, 1, 1), 1.75 / 3),
        ("mean", (2, 1, 1), 0.5),
        ("median", (1, 1, 1), 0.5),
        ("median", (3, 1, 1), 0.25),
        ("median", (2, 1, 1), 0.375),
        ("vote", (1, 1, 1), 2 / 3),
        ("vote", (2, 1, 1), 0.5),
        ("linear", (2, 1, -1), 0.0),
    ):
        made = combine(team(*weights, combine=way), scores)
        assert made.dtype == np.float64
        assert made.tolist() == [[pytest.approx(wanted)]], (way, weights)
    linear = combine(team(1, combine="linear", bias=3.0), [column(0.5)])
    assert linear.tolist() == [[3.5]]
    stacked = combine(team(1, 2, combine="logistic", bias=0.5), [column(0.5), column(0.75)])
    assert stacked.tolist() == [[pytest.approx(float(sigmoid(np.array(0.5 + 2 * np.log(3)))))]]
    sure = combine(team(1, combine="logistic"), [column(0.0, 1.0)])
    assert sure[:, 0].tolist() == pytest.approx([1e-7, 1 - 1e-7])


def test_more_classes_stay_shares() -> None:
    one, other = np.array([[0.5, 0.25, 0.25]]), np.array([[0.25, 0.5, 0.25]])
    assert combine(team(1, 1), [one, other]).tolist() == [[0.375, 0.375, 0.25]]
    assert combine(team(3, 1, combine="vote"), [one, other]).tolist() == [[0.75, 0.25, 0.0]]
    pooled = combine(team(1, 1, combine="logistic"), [one, other])[0]
    assert pooled == pytest.approx(np.array([2, 2, 1]) / 5)
    apart = [np.eye(3)[[k]] for k in range(3)]
    assert combine(team(1, 1, 1, combine="median"), apart).tolist() == [[1 / 3] * 3]


def test_log_odds_of_any_size_are_probabilities() -> None:
    odds = np.array([[-1e6], [-710.0], [0.0], [1e6]])
    assert sigmoid(odds)[:, 0] == pytest.approx([0, 0, 0.5, 1], abs=1e-300)


SCORES = st.integers(1, 5).flatmap(
    lambda n: st.lists(
        hnp.arrays(np.float32, (n, 3), elements=st.floats(2**-10, 1, width=32)),
        min_size=3,
        max_size=3,
    )
)


@given(SCORES, st.lists(st.floats(0.01, 100), min_size=3, max_size=3), st.sampled_from(COMBINES))
def test_a_row_alone_has_the_bits_that_it_has_among_many(
    scores: list[Any], weights: list[float], way: str
) -> None:
    for part in (slice(0, 1), slice(0, 3)):
        chosen = [s[:, part] for s in scores]
        made = combine(team(*weights, combine=way, bias=0.5), chosen)
        for row in range(len(made)):
            alone = combine(team(*weights, combine=way, bias=0.5), [s[[row]] for s in chosen])
            assert alone.tobytes() == made[[row]].tobytes()
        if made.shape[1] > 1 and way in ("median", "vote", "logistic"):
            assert made.sum(axis=1) == pytest.approx(1)
        if made.shape[1] == 1 and way in ("mean", "median"):
            assert (np.min(chosen) - 1e-6 <= made).all()
            assert (made <= np.max(chosen) + 1e-6).all()


@given(st.lists(st.floats(0.01, 100), min_size=2, max_size=5), st.data())
def test_who_is_left_grows_in_proportion(weights: list[float], data: st.DataObject) -> None:
    whole = team(*weights)
    names = [m.name for m in whole.members]
    gone = data.draw(st.sets(st.sampled_from(names), max_size=len(names) - 1))
    rest = whole.less(dict.fromkeys(gone, "raised"))
    assert sum(m.weight for m in rest.members) == pytest.approx(sum(weights))
    assert {name for name, _ in rest.left_out} == gone
    shares = {m.name: m.weight for m in whole.members}
    ratios = {round(m.weight / shares[m.name], 9) for m in rest.members}
    assert len(ratios) == 1
    assert rest.version == "+".join(m.version for m in rest.members)


class Odd:
    """A model that does what it is told to instead of predicting."""

    inputs: tuple[Input, ...] = ()
    imports: tuple[str, ...] = ()

    def __init__(self, model: Any, does: Callable[[Any], Any]) -> None:
        self.model, self.does = model, does

    def predict(self, tensors: Any) -> Any:
        scores = self.model.predict(tensors)
        return self.does(scores)


def raises(_: Any) -> Any:
    raise ZeroDivisionError("a secret")


@pytest.fixture
def ensemble(shop: Tiny) -> Iterator[Callable[..., Service]]:
    """Opens the graph with an ensemble of the two versions; `does` is what version 1 does."""
    opened: list[Service] = []
    shop.models.promote("binary", "1", "challenger")

    def serve(more: str = "", does: Callable[[Any], Any] | None = None) -> Service:
        text = (shop.root / "graphs/binary/graph.yaml").read_text("utf-8")
        old = next(line for line in text.splitlines() if "{policy:" in line).partition(": ")[2]
        shop.edit("graphs/binary/graph.yaml", old, BOTH % more)
        application = shop.open("binary")
        live = application.live()
        if does is not None:
            one = live.versions["1"]
            versions = {**live.versions, "1": replace(one, model=Odd(one.model, does))}
            application._live = replace(live, versions=versions, _teams={})
        opened.append(shop.service("binary", application))
        return opened[-1]

    yield serve
    for service in opened:
        service.close()


def alone(service: Service, version: str) -> float:
    answer: float = service.predict(ORDER, version=version)["probability"]
    return answer


def test_the_mean_of_two(ensemble: Callable[..., Service]) -> None:
    service = ensemble()
    reply = service.run(Message([ORDER], "id"))
    wanted = (alone(service, "champion") + alone(service, "challenger")) / 2
    assert reply["outputs"][0]["probability"] == wanted
    assert reply["version"] == "2+1"
    assert reply["route"] == {
        "policy": "ensemble",
        "name": "mean",
        "propensity": 1.0,
        "combine": "mean",
        "members": {
            "champion": {"version": "2", "weight": 1.0},
            "challenger": {"version": "1", "weight": 1.0},
        },
    }


def test_a_member_that_raises_is_left_out_and_told(ensemble: Callable[..., Service]) -> None:
    service = ensemble(", quorum: 1", raises)
    reply = service.run(Message([ORDER], "id"))
    assert reply["outputs"][0]["probability"] == alone(service, "champion")
    assert reply["version"] == "2"
    assert reply["route"]["left_out"] == {"challenger": "raised ZeroDivisionError"}
    assert reply["route"]["members"] == {"champion": {"version": "2", "weight": 2.0}}


def test_a_member_that_gives_no_number_is_left_out(ensemble: Callable[..., Service]) -> None:
    service = ensemble(", quorum: 1", lambda scores: scores * np.nan)
    reply = service.run(Message([ORDER], "id"))
    assert reply["outputs"][0]["probability"] == alone(service, "champion")
    assert reply["route"]["left_out"] == {"challenger": "gave no number"}


RECORDS = [{**ORDER, "visits": i % 9, "amount": 41.0 * i} for i in range(24)]


def test_only_the_rows_concerned_lose_it(ensemble: Callable[..., Service]) -> None:
    whole = ensemble(", quorum: 1")
    bad = 11
    special = whole.run(_pinned(RECORDS[bad], "challenger"))["outputs"][0]["probability"]

    def picky(scores: Any) -> Any:
        if (scores == np.float32(special)).any():
            raise ValueError("this one")
        return scores

    service = ensemble(", quorum: 1", picky)
    reply = service.run(Message(list(RECORDS), "id"))
    assert (reply["version"], reply["route"]) == ("mixed", "mixed")
    told = [output["route"].get("left_out") for output in reply["outputs"]]
    assert told == [{"challenger": "raised ValueError"} if i == bad else None for i in range(24)]
    before = whole.run(Message(list(RECORDS), "id"))["outputs"]
    for place, output in enumerate(reply["outputs"]):
        if place != bad:
            assert output["probability"] == before[place]["probability"]
    scored = score(service, RECORDS, when=0.0)
    assert [o["probability"] for o in scored.outputs()] == [
        o["probability"] for o in reply["outputs"]
    ]


def _pinned(record: Any, version: str) -> Message:
    message = Message([record], "id")
    message.pin = version
    return message


def test_below_the_quorum_there_is_no_answer(ensemble: Callable[..., Service]) -> None:
    service = ensemble(", quorum: 2", raises)
    message = Message([ORDER], "id")
    message.single = True
    with pytest.raises(Unavailable, match="1 of the 2 members needed answered: challenger raised"):
        service.run(message)
    outputs = service.run(Message([ORDER, {"city": 7}, ORDER], "id"))["outputs"]
    assert ["error" in output for output in outputs] == [True] * 3
    assert "members needed" in outputs[0]["error"]
    scored = score(service, [ORDER, ORDER], when=0.0)
    assert scored.errors == [outputs[0]["error"]] * 2
    assert scored.versions == [None, None]


def test_a_member_over_its_budget_is_left_out_and_the_request_goes_on(
    ensemble: Callable[..., Service],
) -> None:
    gate, ended = threading.Event(), threading.Event()

    def hangs(scores: Any) -> Any:
        gate.wait(60)
        ended.set()
        return scores

    service = ensemble(", quorum: 1, budget_ms: 150", hangs)
    first = service.run(Message([ORDER], "id"))
    second = service.run(Message([ORDER], "id"))
    assert not ended.is_set()  # nobody has waited for it
    assert first["route"]["left_out"] == {"challenger": "took over 150 ms"}
    assert second["route"]["left_out"] == {"challenger": BUSY}
    assert first["version"] == "2"
    gate.set()
    until = time.monotonic() + 60
    while "left_out" in service.run(Message([ORDER], "id"))["route"]:
        assert time.monotonic() < until
        time.sleep(0.01)


def test_nobody_waits_for_a_table(ensemble: Callable[..., Service]) -> None:
    def slow(scores: Any) -> Any:
        time.sleep(0.02)
        return scores

    service = ensemble(", quorum: 1, budget_ms: 1", slow)
    assert score(service, [ORDER], when=0.0).versions == ["2+1"]


def test_other_classes_are_no_member(shop: Tiny) -> None:
    shop.models.promote("binary", "1", "challenger")
    live: Live = shop.open("binary").live()
    one = live.versions["1"]
    other = replace(one, manifest=_with_classes(one.manifest, ["a", "b", "c"]))
    mixed = replace(live, versions={**live.versions, "1": other}, _teams={})
    policy = make_policy("ensemble", {"members": ["champion", "challenger"]}, "router")
    message = Message([ORDER])
    message.rows = [0]
    choice = policy.choose(message, mixed)[0]
    assert choice.team is not None
    assert choice.team.left_out == (("challenger", "answers other classes than the champion"),)


def _with_classes(manifest: Any, classes: list[str]) -> Any:
    import msgspec

    return msgspec.structs.replace(manifest, classes=classes)


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({"members": []}, "members: expected different aliases"),
        ({"members": ["a", "a"]}, "members: expected different aliases"),
        ({"members": {"a": -1}}, "members.a: expected a weight"),
        ({"members": {"a": True}}, "members.a: expected a weight"),
        ({"members": {"a": 0}}, "members: the weights must add up"),
        ({"members": {"a": 1, "b": -1}, "combine": "logistic"}, "members: the weights must add up"),
        ({"members": ["7"]}, "members.7: name an alias"),
        ({"members": ["a"], "combine": "men"}, "combine: unknown value 'men'.*'mean'"),
        ({"members": ["a"], "bias": 1}, "bias: expected a number, for logistic"),
        ({"members": ["a"], "quorum": 2}, "quorum: expected 1 to 1"),
        ({"members": ["a"], "quorum": 0}, "quorum: expected 1 to 1"),
        ({"members": ["a"], "budget_ms": 0}, "budget_ms: expected milliseconds"),
    ],
)
def test_a_bad_declaration_names_its_field(params: dict[str, Any], problem: str) -> None:
    with pytest.raises(DeclarationError, match=problem):
        make_policy("ensemble", params, "router.class_args")


def test_a_way_that_does_not_fit_the_graph_is_refused_when_it_loads(shop: Tiny) -> None:
    for graph, way in (("binary", "linear"), ("regression", "vote")):
        declared = f"{{policy: ensemble, members: [champion], combine: {way}}}"
        shop.edit(f"graphs/{graph}/graph.yaml", "{policy: champion}", declared)
        with pytest.raises(DeclarationError, match=rf"router.class_args: combine: {way} is for"):
            shop.service(graph)
