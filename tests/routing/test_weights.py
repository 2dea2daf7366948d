"""The laws of weights; what every policy keeps: tests/conformance/test_policies.py."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from sluice.errors import DeclarationError
from sluice.live import Live
from sluice.message import Message
from sluice.routing import Policy, make_policy
from tests.tiny import Tiny

KEYS = [f"N{i}" for i in range(20_000)]


@pytest.fixture(scope="module")
def live(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Live:
    """Two live versions; `challenger` is one of them."""
    shop = tiny.copy(tmp_path_factory.mktemp("routing") / "shop")
    shop.models.promote("binary", "1", "challenger")
    return shop.open("binary").live()


def message_of(*keys: Any, id: str = "request", column: str = "city") -> Message:
    message = Message([{column: key} for key in keys], id)
    message.columns = [column]
    message.rows = list(range(len(keys)))
    message.values = [[key] for key in keys]
    return message


def weights(key: str | None = "city", **versions: float) -> Policy:
    return make_policy("weights", {"versions": versions, "key": key}, "router.class_args")


def test_shares_are_as_declared(live: Live) -> None:
    for share in (0.01, 0.1, 0.5):
        policy = weights(champion=1 - share, challenger=share)
        counted = Counter(c.name for c in policy.choose(message_of(*KEYS), live))
        deviation = (len(KEYS) * share * (1 - share)) ** 0.5
        assert abs(counted["challenger"] - len(KEYS) * share) < 4.5 * deviation


def test_moving_a_tenth_of_the_weight_moves_a_tenth_of_the_keys(live: Live) -> None:
    def arms(policy: Policy) -> list[str]:
        return [c.name for c in policy.choose(message_of(*KEYS), live)]

    before, after = (
        arms(weights(champion=90, challenger=10)),
        arms(weights(champion=80, challenger=20)),
    )
    moved = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert set(moved) == {("champion", "challenger")}
    assert abs(len(moved) / len(KEYS) - 0.1) < 0.012


def test_the_same_shares_keep_every_key_whatever_the_scale_or_the_order(live: Live) -> None:
    one = weights(champion=9, challenger=1).choose(message_of(*KEYS[:2000]), live)
    other = weights(challenger=0.1, champion=0.9).choose(message_of(*KEYS[:2000]), live)
    assert [c.version for c in one] == [c.version for c in other]


def test_a_key_is_its_typed_value(live: Live) -> None:
    policy = weights("visits", champion=1, challenger=1)
    message = message_of(515.0, 515.0, column="visits")
    message.records = [{"visits": 515}, {"visits": 515.0}]
    first, second = policy.choose(message, live)
    assert first == second


def test_without_a_key_the_request_and_the_place_decide(live: Live) -> None:
    for policy, key in (
        (weights(None, champion=1, challenger=1), "x"),
        (weights(champion=1, challenger=1), None),
    ):
        chosen = policy.choose(message_of(*[key] * 400), live)
        assert set(Counter(c.name for c in chosen).values()) != {400}
        assert chosen == policy.choose(message_of(*[key] * 400), live)
        assert chosen != policy.choose(message_of(*[key] * 400, id="another"), live)


def test_a_version_that_is_not_live_passes_its_share_to_the_champion(live: Live) -> None:
    from dataclasses import replace

    refused = replace(
        live, aliases={"champion": "2"}, refused={"challenger": "model.onnx: was changed"}
    )
    choices = weights(champion=1, challenger=1).choose(message_of(*KEYS[:200]), refused)
    assert {(c.name, c.version, c.propensity) for c in choices} == {("champion", "2", 1.0)}
    reasons = Counter(c.reason for c in choices)
    assert set(reasons) == {"", "challenger is not live: model.onnx: was changed"}


@pytest.mark.parametrize(
    ("name", "params", "problem"),
    [
        ("weigths", {}, "no policy 'weigths' .did you mean 'weights'"),
        (["weights"], {}, "no policy"),
        ("champion", {"key": "city"}, "key"),
        ("weights", {}, "versions"),
        ("weights", {"version": {"champion": 1}}, "version"),
        ("weights", {"versions": {}}, "versions: expected a mapping"),
        ("weights", {"versions": ["champion"]}, "versions: expected a mapping"),
        ("weights", {"versions": {"champion": "1"}}, "versions.champion: expected a weight"),
        ("weights", {"versions": {"champion": True}}, "versions.champion: expected a weight"),
        ("weights", {"versions": {"champion": -1}}, "versions.champion: expected a weight"),
        ("weights", {"versions": {"champion": 0}}, "versions: the weights must add up"),
        ("weights", {"versions": {"champion": float("nan")}}, "versions: the weights must add up"),
        ("weights", {"versions": {"champion": float("inf")}}, "versions: the weights must add up"),
        ("weights", {"versions": {"2": 1}}, "versions.2: name an alias"),
        ("weights", {"versions": {"champion": 1}, "key": 5}, "key: expected the name"),
    ],
)
def test_a_bad_declaration_names_its_field(name: Any, params: dict[str, Any], problem: str) -> None:
    with pytest.raises(DeclarationError, match=problem) as error:
        make_policy(name, params, "router.class_args")
    assert "graph.yaml: router.class_args" in str(error.value)


def test_a_key_that_no_record_has_is_refused_when_the_graph_loads(shop: Tiny) -> None:
    policy = "{policy: weights, key: town, versions: {champion: 1}}"
    shop.edit("graphs/binary/graph.yaml", "{policy: champion}", policy)
    with pytest.raises(DeclarationError, match=r"no record field 'town'.*city"):
        shop.service("binary")
