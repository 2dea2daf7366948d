"""Online aggregation: weights that labels move, and the flight year as a test bed.

SEVEN_ROWS is how many flights are asked and trained on (1,500 of May by default; 0 takes all of
April to December), SEVEN_FILE where the answers are kept.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from sluice.errors import DeclarationError
from sluice.live import Live
from sluice.message import Choice
from sluice.routing.aggregation import Aggregation
from sluice.routing.ensemble_combine import combine
from sluice.routing.ledger import Credit
from sluice.routing.policy import make_policy
from sluice.routing.rewards import Decision, Earned
from sluice.routing.statistics import Floats, fields
from tests.routing.known import NOW, World, message_of
from tests.routing.seven import MODELS, MONTHS, Answered, answered
from tests.routing.test_bandits import tell

ROOT = Path(__file__).parents[2]
ROWS = int(os.environ.get("SEVEN_ROWS", "1500"))
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


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Answered:
    kept = os.environ.get("SEVEN_FILE") or tmp_path_factory.mktemp("seven") / "answers.npz"
    return answered(ROOT, Path(kept), ROWS, MONTHS if not ROWS else MONTHS[1:2])


def log_loss(answers: Floats, labels: Floats) -> float:
    return float(-np.log(np.where(labels == 1, answers, 1 - answers).clip(1e-7)).mean())


def served(name: str, params: dict[str, Any], year: Answered, every_s: float) -> Floats:
    """What a policy answered, its labels known at their true time, renewed every so often."""
    aliases = {name: str(place) for place, name in enumerate(MODELS)}
    made = world(name, aliases, **params)
    policy = made.policy
    assert isinstance(policy, Aggregation)
    order, answers, learnt = np.argsort(year.known, kind="stable"), [], 0
    known = year.known[order]
    moments = np.arange(year.asked[0] // every_s, year.asked[-1] // every_s + 1) * every_s
    edges = np.searchsorted(year.asked, [*moments, np.inf])
    for moment, first, last in zip(moments, edges[:-1], edges[1:], strict=True):
        until = int(np.searchsorted(known, moment))
        adds: dict[int, Counter[str]] = {}
        for row in order[learnt:until].tolist():
            scores = {str(i): [s] for i, s in enumerate(year.scores[row].tolist())}
            when = float(year.asked[row])
            made_so = Decision("x/0", when, name, "mean", "", 1.0, aliases, scores)
            told = fields(policy.sums(made_so, Earned(None, int(year.labels[row]), CLASSES)))
            adds.setdefault(policy.forgetting.bucket(when), Counter()).update(told)
        for bucket, sums in adds.items():
            made.ledger.credit(Credit(bucket, [f"{moment}"], sums), 60, NOW)
        learnt = max(learnt, until)
        if first < last:
            team = choice_of(made).team
            assert team is not None
            answers.append(combine(team, list(year.scores[first:last].T[:, :, None]))[:, 0])
    return np.concatenate(answers)


POLICIES: dict[str, dict[str, Any]] = {
    "hedge": {"eta": 0.5, "share": 0.02},
    "online_stack": {"forget": {"half_life": "7d", "bucket": "1d"}, "ridge": 10.0},
}


@pytest.mark.parametrize("name", POLICIES)
def test_the_flight_year(name: str, year: Answered) -> None:
    """Labels at their true delay; weights renewed every two hours."""
    answers = served(name, POLICIES[name], year, 7200.0)
    found = log_loss(answers, year.labels)
    losses = [round(log_loss(scores, year.labels), 4) for scores in year.scores.T]
    each = dict(zip(MODELS, losses, strict=True))
    mean = log_loss(year.scores.mean(1), year.labels)
    brier = float(((answers - year.labels) ** 2).mean())
    tell(f"{name}: log loss {found:.4f}, Brier {brier:.4f}; plain mean {mean:.4f}; {each}")
    # So few flights tell little: not worse than the worst.
    assert found <= (max(losses) if ROWS else {"hedge": 0.485, "online_stack": 0.474}[name])
