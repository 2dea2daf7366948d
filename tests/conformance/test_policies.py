"""What every routing policy keeps, in the graph and alone."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from sluice.batch.scoring import score
from sluice.codec import decode, encode
from sluice.errors import DeclarationError, SluiceError
from sluice.live import Live
from sluice.message import Choice, Message
from sluice.reply import choice_of, told
from sluice.routing import Policy, make_policy
from sluice.routing.policy import POLICIES
from sluice.service import Service
from sluice.streaming.table import run_table
from tests.conformance.policy_samples import SAMPLES
from tests.tiny import ORDER, Tiny

MADE = [(name, params) for name, samples in SAMPLES.items() for params in samples]
WHEN = 1.7e9
CITIES = ("Aden", "Bonn", "Cork", "Oslo")
RECORDS: list[dict[str, Any]] = [
    {**ORDER, "city": CITIES[i % 4], "visits": i % 9, "amount": 37.5 * i, "member": i % 3 == 0}
    for i in range(25)
]
RECORDS += [{"city": "Aden", "time": ORDER["time"]}, {**ORDER, "city": 7}]
IDS = [f"record {place}" for place in range(len(RECORDS))]


@pytest.fixture(scope="module")
def base(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """Two live versions; `challenger` is one of them."""
    shop = tiny.copy(tmp_path_factory.mktemp("routing") / "shop")
    shop.models.promote("binary", "1", "challenger")
    return shop


@pytest.fixture(scope="module")
def live(base: Tiny) -> Live:
    return base.open("binary").live()


@pytest.fixture(scope="module", params=MADE, ids=lambda made: made[0])
def served(
    request: pytest.FixtureRequest, base: Tiny, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """The graph under each declaration."""
    name, params = request.param
    shop = base.copy(tmp_path_factory.mktemp("policy") / "shop")
    declared = json.dumps({"policy": name, **params})
    shop.edit("graphs/binary/graph.yaml", "{policy: champion}", declared)
    with shop.service("binary") as service:
        yield service


def made(name: str, params: Mapping[str, Any], tiny: Tiny) -> Policy:
    policy = make_policy(name, params, "router")
    policy.check(tiny.definitions)
    return policy


def message_of(n: int, live: Live) -> Message:
    """n rows, of which every second record has one."""
    message = Message([{}] * (2 * n), "request", WHEN)
    message.columns, message.live = live.columns, live
    message.rows = list(range(0, 2 * n, 2))
    values: dict[str, Any] = {"city": "Aden", "time": WHEN}
    message.values = [[values.get(c, float(i)) for c in live.columns] for i in range(n)]
    message.defaults, message.ages = [{} for _ in range(n)], [{} for _ in range(n)]
    message.as_of = [WHEN] * n
    return message


def check_choice(choice: Choice, live: Live) -> None:
    assert 0 < choice.propensity <= 1
    assert isinstance(choice.reason, str)
    assert choice_of(told(choice), choice.version).version == choice.version
    if choice.team is None:
        assert live.aliases[choice.name] == choice.version
    else:
        assert choice.team.version == choice.version
        for member in choice.team.members:
            assert live.aliases[member.name] == member.version
    assert live.answering(choice.version).number == choice.version


def test_every_policy_has_a_sample() -> None:
    assert set(SAMPLES) == set(POLICIES)
    with pytest.raises(DeclarationError) as error:
        make_policy("none-such", {}, "router")
    assert error.value.hint == f"allowed: {', '.join(sorted(SAMPLES))}"


@pytest.mark.parametrize("name", POLICIES)
def test_an_unknown_parameter_is_refused(name: str) -> None:
    with pytest.raises(DeclarationError, match="router") as error:
        make_policy(name, {**SAMPLES[name][0], "no_such": 1}, "router")
    assert "no_such" in str(error.value)


@pytest.mark.parametrize(("name", "params"), MADE)
def test_a_choice_per_row_among_what_is_live(
    name: str, params: dict[str, Any], live: Live, base: Tiny
) -> None:
    policy, message = made(name, params, base), message_of(300, live)
    before = copy.deepcopy((message.records, message.values, message.defaults))
    choices = policy.choose(message, live)
    assert len(choices) == 300
    for choice in choices:
        check_choice(choice, live)
    assert (message.records, message.values, message.defaults) == before
    assert choices == made(name, params, base).choose(message, live)
    assert policy.choose(message_of(0, live), live) == []


@pytest.mark.parametrize(("name", "params"), MADE)
def test_it_follows_the_aliases(name: str, params: dict[str, Any], live: Live, base: Tiny) -> None:
    policy, moved = made(name, params, base), dict.fromkeys(live.aliases, "9")
    champion = replace(live.champion, number="9")
    later = replace(live, versions={"9": champion}, aliases=moved, _teams={})
    message = message_of(9, live)
    before = policy.choose(message, live)
    assert {choice.version for choice in policy.choose(message, later)} == {"9"}
    assert policy.choose(message, live) == before


@pytest.mark.parametrize(("name", "params"), MADE)
def test_without_its_challenger_it_goes_on(
    name: str, params: dict[str, Any], live: Live, base: Tiny
) -> None:
    alone = replace(
        live,
        aliases={"champion": live.aliases["champion"]},
        versions={live.champion.number: live.champion},
        refused={"challenger": "model.onnx: was changed"},
        _teams={},
    )
    for choice in made(name, params, base).choose(message_of(50, live), alone):
        if choice.team is None or choice.team.quorum <= len(choice.team.members):
            check_choice(choice, alone)
        else:
            assert ("challenger", "is not live: model.onnx: was changed") in choice.team.left_out


def one_by_one(service: Service) -> list[Any]:
    return [
        service.run(Message([record], id, WHEN)) for record, id in zip(RECORDS, IDS, strict=True)
    ]


def plain(replies: Sequence[Any]) -> list[str]:
    """To the bit, and in the order of the names."""
    return [json.dumps(reply) for reply in replies]


def test_many_requests_in_one_message_are_answered_as_each_alone(served: Service) -> None:
    messages = [Message([r], id, WHEN) for r, id in zip(RECORDS, IDS, strict=True)]
    assert plain(served.run_many(messages)) == plain(one_by_one(served))


def test_a_table_is_answered_as_its_records(served: Service) -> None:
    assert served.graph.takes_tables
    scored, replies = score(served, RECORDS, ids=IDS, when=WHEN), one_by_one(served)
    assert plain(scored.outputs()) == plain([reply["outputs"][0] for reply in replies])
    assert scored.versions == [reply["version"] for reply in replies]
    assert [c and told(c) for c in scored.routes.tolist()] == [reply["route"] for reply in replies]


def test_a_micro_batch_is_answered_as_its_requests(served: Service) -> None:
    messages = [Message([r], id, WHEN) for r, id in zip(RECORDS, IDS, strict=True)]
    assert plain(run_table(served, messages).answers) == plain(one_by_one(served))


def test_steps_that_are_apart_answer_the_same(served: Service) -> None:
    replies = []
    for record, id in zip(RECORDS, IDS, strict=True):
        body: Any = Message([record], id, WHEN)
        for _, call in served.graph._plain or ():
            body = call(body)
            body = decode(encode(body)) if isinstance(body, Message) else body
        replies.append(body)
    assert plain(replies) == plain(one_by_one(served))


def test_a_version_that_is_named_answers_alone(served: Service) -> None:
    for record in RECORDS[:3]:
        message = Message([record], "id", WHEN)
        message.pin = "challenger"
        assert served.run(message)["version"] == "1"
    message.pin = "1+2"
    with pytest.raises(SluiceError, match="no live version"):
        served.run(message)
