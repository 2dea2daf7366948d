"""Online aggregation: weights that labels move. On the flight year: tests/playback."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from sluice.errors import DeclarationError
from sluice.live import Live
from sluice.message import Choice
from sluice.routing.ledger import Credit
from sluice.routing.policy import make_policy
from sluice.routing.rewards import Decision, Earned
from sluice.routing.statistics import fields
from tests.routing.known import NOW, World, message_of

CLASSES = (0, 1)
ALIASES = {"champion": "1", "challenger": "2", "third": "3"}


def world(name: str, aliases: dict[str, str] = ALIASES, **params: Any) -> World:
    made = World(name, {"arms": list(aliases), **params}, **{"champion": "1", **aliases})
    made.live = cast(
        Live, SimpleNamespace(aliases={"champion": "1", **aliases}, refused={}, champion=None)
    )
    return made


def label(made: World, place: str, scores: dict[str, float], outcome: int, when: float) -> None:
    """A request that all members answered, and its label."""
    by_version = {made.live.aliases[a]: [score] for a, score in scores.items()}
    aliases = {alias: made.live.aliases[alias] for alias in scores}
    decision = Decision(place, when, made.policy.policy, "mean", "1+2", 1.0, aliases, by_version)
    adds = fields(made.policy.sums(decision, Earned(None, outcome, CLASSES)))
    bucket = made.policy.forgetting.bucket(when)
    made.ledger.credit(Credit(bucket, [place], adds), 60, NOW)


def choice_of(made: World) -> Choice:
    made.snapshots.refresh()
    first, second = made.policy.choose(message_of(2), made.live)
    assert first is second
    return first


def weights(made: World) -> dict[str, float]:
    team = choice_of(made).team
    assert team is not None
    whole = sum(member.weight for member in team.members)
    return {member.name: member.weight / whole for member in team.members}


@pytest.mark.parametrize("name", ["hedge", "online_stack"])
def test_without_labels_all_members_count_alike(name: str) -> None:
    made = world(name)
    assert weights(made) == pytest.approx(dict.fromkeys(ALIASES, 1 / 3))
    choice = choice_of(made)
    assert (choice.version, choice.propensity) == ("1+2+3", 1.0)
    assert choice.team is not None
    assert choice.team.quorum == 2


def test_hedge_weighs_by_the_losses_so_far() -> None:
    made = world("hedge", eta=0.5)
    for place in range(20):
        label(made, f"r{place}/0", {"champion": 0.5, "challenger": 0.9, "third": 0.1}, 1, NOW)
    gains = np.array([1 - 0.25, 1 - 0.01, 1 - 0.81]) * 20
    expected = np.exp(0.5 * (gains - gains.max()))
    shares = dict(zip(ALIASES, expected / expected.sum(), strict=True))
    assert weights(made) == pytest.approx(shares)


def test_a_fixed_share_lets_a_member_come_back() -> None:
    found = {}
    for share in (0.0, 0.05):
        made = world("hedge", eta=1.0, share=share)
        for day in range(30):
            good = day >= 24
            for place in range(20):
                scores = {"champion": 0.5, "challenger": 0.9 if good else 0.1, "third": 0.4}
                label(made, f"{day}-{place}/0", scores, 1, NOW + day * 86_400)
        found[share] = weights(made)["challenger"]
    assert found[0.0] < 0.01
    assert found[0.05] > 0.9


def test_a_member_that_did_not_answer_earned_what_the_others_did() -> None:
    made = world("hedge")
    for place in range(9):
        label(made, f"r{place}/0", {"champion": 0.8, "challenger": 0.8}, 1, NOW)
    found = weights(made)
    assert found == pytest.approx(dict.fromkeys(ALIASES, 1 / 3))


def test_a_stack_follows_what_all_members_have_wrong() -> None:
    made = world("online_stack", ridge=1.0)
    chance = np.random.default_rng(1)
    for place in range(400):
        logits = chance.normal(0, 1)
        outcome = int(chance.random() < 1 / (1 + np.exp(-(logits + 1.0))))
        scores = {a: 1 / (1 + np.exp(-(logits + chance.normal(0, 0.3)))) for a in ALIASES}
        label(made, f"r{place}/0", scores, outcome, NOW)
    team = choice_of(made).team
    assert team is not None
    assert team.combine == "logistic"
    assert team.bias == pytest.approx(1.0, abs=0.35)
    assert sum(member.weight for member in team.members) == pytest.approx(1.0, abs=0.35)


@pytest.mark.parametrize("name", ["hedge", "online_stack"])
def test_labels_in_another_order_make_the_same_weights(name: str) -> None:
    chance = np.random.default_rng(8)
    seen = [
        (f"r{i}/0", dict(zip(ALIASES, chance.random(3).tolist(), strict=True)), int(i % 3 == 0))
        for i in range(60)
    ]
    made, other = world(name), world(name)
    for place, scores, outcome in seen:
        label(made, place, scores, outcome, NOW)
    for place, scores, outcome in reversed(seen):
        label(other, place, scores, outcome, NOW)
    assert made.ledger.sums() == other.ledger.sums()
    assert weights(made) == weights(other)


@pytest.mark.parametrize("name", ["hedge", "online_stack"])
def test_who_is_not_live_is_left_out_and_told(name: str) -> None:
    made = world(name)
    made.live = cast(Live, SimpleNamespace(aliases={"champion": "1", "challenger": "2"}))
    team = choice_of(made).team
    assert team is not None
    assert team.left_out == (("third", "is not live"),)
    made.clock.now += 61
    assert choice_of(made).reason == ""
    made.ledger.away = True
    made.clock.now += 61
    assert choice_of(made).reason.startswith("fallback: rewards are not known")


@pytest.mark.parametrize(
    ("name", "params", "problem"),
    [
        ("hedge", {"eta": 0}, "eta: expected"),
        ("hedge", {"share": 2}, "share: expected"),
        ("hedge", {"reward": {"of": "reward"}}, "reward: must be made of a label"),
        ("hedge", {"arms": {"a": {"floor": 0.1}}}, "no floor or ceiling"),
        ("hedge", {"quorum": 9}, "quorum: expected 1 to 3"),
        ("online_stack", {"ridge": 0}, "ridge: expected"),
    ],
)
def test_a_bad_declaration_is_named(name: str, params: Any, problem: str) -> None:
    with pytest.raises(DeclarationError, match=problem):
        make_policy(name, {"arms": list(ALIASES), **params}, "router.class_args")


@pytest.mark.parametrize(
    ("name", "earned", "scores", "problem"),
    [
        ("hedge", Earned(1.0, None, ()), {"1": [0.5]}, "has no label"),
        ("hedge", Earned(None, 1, CLASSES), {}, "is not known"),
        ("online_stack", Earned(None, 1, CLASSES), {"1": [0.5]}, "not all members"),
    ],
)
def test_labels_that_do_not_fit_are_refused(
    name: str, earned: Earned, scores: Any, problem: str
) -> None:
    decision = Decision("a/0", NOW, name, "mean", "1", 1.0, ALIASES, scores)
    with pytest.raises(ValueError, match=problem):
        world(name).policy.sums(decision, earned)
