"""What bandits keep whatever they know, and what each of them makes of it.

REGRET_SEEDS is over how many seeds the regrets are taken (2 by default; 20 for the figures).
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.errors import DeclarationError
from sluice.routing.best import best_of_betas, best_of_normals
from sluice.routing.bounds import bounded
from sluice.routing.learning import Learning
from sluice.routing.ledger import Credit
from sluice.routing.policy import make_policy
from sluice.routing.rewards import Earned
from sluice.routing.statistics import UNIT, fields
from tests.routing.known import NOW, World, live_of, message_of

SEEDS = int(os.environ.get("REGRET_SEEDS", "2"))
ARMS = ["champion", "challenger"]
PLAIN = ("epsilon_greedy", "thompson", "ucb1")
ALIASES = {"champion": "1", "challenger": "2", "third": "3"}


def tell(figure: str) -> None:
    """A figure, for who runs the tests with -s."""
    sys.stdout.write(f"{figure}\n")


def world(name: str, **params: Any) -> World:
    return World(name, {"arms": ARMS, "warm_start": 0, **params})


@pytest.mark.parametrize("name", PLAIN)
def test_a_decision_is_the_same_whenever_it_is_made(name: str) -> None:
    made = world(name, arms={a: {"floor": 0.2} for a in ARMS})
    made.earn("champion", 1.0, 0.0, 1.0)
    made.earn("challenger", 1.0, 0.0)
    made.snapshots.refresh()
    message = message_of(300)
    first = made.policy.choose(message, made.live)
    assert first == made.policy.choose(message, made.live)
    again = World(name, {"arms": {a: {"floor": 0.2} for a in ARMS}, "warm_start": 0})
    again.ledger = made.ledger
    again.snapshots._open = lambda: made.ledger
    again.snapshots._ledger = None
    again.snapshots.refresh()
    assert first == again.policy.choose(message, again.live)
    made.earn("challenger", 1.0)
    made.snapshots.refresh()
    assert [c.name for c in first] != [c.name for c in made.policy.choose(message, made.live)]


@pytest.mark.parametrize("name", PLAIN)
def test_what_is_logged_is_how_often_it_happens(name: str) -> None:
    made = world(name, arms={a: {"floor": 0.3} for a in ARMS})
    made.earn("champion", 1.0, 1.0, 0.0)
    made.earn("challenger", 1.0, 0.0)
    made.snapshots.refresh()
    choices = made.policy.choose(message_of(20_000), made.live)
    counted = Counter(choice.name for choice in choices)
    for alias, propensity in {(c.name, c.propensity) for c in choices}:
        assert abs(counted[alias] / 20_000 - propensity) < 0.016
    assert sum({c.name: c.propensity for c in choices}.values()) == pytest.approx(1)


@pytest.mark.parametrize("name", PLAIN)
def test_a_warm_start_shares_the_traffic_among_those_that_lack_rewards(name: str) -> None:
    made = World(name, {"arms": ARMS, "warm_start": 3})
    assert made.shares(500) == {"champion": 0.5, "challenger": 0.5}
    made.earn("challenger", 1.0, 1.0, 1.0)
    assert made.shares(500) == {"champion": 1.0}
    [choice] = made.policy.choose(message_of(1), made.live)
    assert choice.reason == "warm start"
    made.earn("champion", 0.0, 0.0, 0.0)
    made.snapshots.refresh()
    assert "warm start" not in {c.reason for c in made.policy.choose(message_of(1), made.live)}
    assert made.shares(500)["challenger"] > 0.9


@pytest.mark.parametrize("name", PLAIN)
def test_a_floor_and_a_ceiling_hold(name: str) -> None:
    arms = {"champion": {"floor": 0.05}, "challenger": {"ceiling": 0.6}, "third": {"floor": 0.1}}
    made = World(name, {"arms": arms, "warm_start": 0}, **ALIASES)
    made.earn("challenger", *[1.0] * 50)
    made.earn("champion", *[0.0] * 50)
    made.earn("third", *[0.0] * 50)
    shares = made.shares(2000)
    assert shares["challenger"] <= 0.6 + 1e-9
    assert shares["champion"] >= 0.05 - 1e-9
    assert shares["third"] >= 0.1 - 1e-9
    assert sum(shares.values()) == pytest.approx(1)


def test_what_ceilings_leave_is_the_champions() -> None:
    made = World("thompson", {"arms": {"challenger": {"ceiling": 0.2}}, "warm_start": 0})
    assert made.shares(500) == {"challenger": 0.2, "champion": 0.8}


@pytest.mark.parametrize("name", PLAIN)
def test_an_arm_that_is_not_live_gets_nothing(name: str) -> None:
    made = World(name, {"arms": [*ARMS, "third"]})
    assert set(made.shares(500)) == set(ARMS)
    lonely = World(name, {"arms": ["third"]})
    [choice] = lonely.policy.choose(message_of(1), lonely.live)
    assert (choice.name, choice.reason) == ("champion", "none of the arms is live")


@pytest.mark.parametrize("name", PLAIN)
def test_the_champion_answers_when_the_ledger_is_away_too_long(name: str) -> None:
    made = world(name)
    made.earn("challenger", *[1.0] * 200)
    made.earn("champion", *[0.0] * 200)
    assert made.shares(9)["challenger"] > 0.9
    made.ledger.away = True
    made.clock.now += 59
    assert made.shares(9)["challenger"] > 0.9
    made.clock.now += 2
    assert made.shares(9) == {"champion": 1.0}
    [choice] = made.policy.choose(message_of(1), made.live)
    assert choice.reason == "fallback: rewards are not known: StoreUnavailable"
    made.ledger.away = False
    assert made.shares(9)["challenger"] > 0.9


def test_without_a_ledger_the_champion_answers() -> None:
    policy = make_policy("thompson", {"arms": ARMS}, "router")
    [choice] = policy.choose(message_of(1), live_of(champion="1"))
    assert choice.reason == "fallback: no store of rewards is open"


def test_rewards_that_stay_away_are_a_reason_to_fall_back() -> None:
    made = world("thompson")
    made.snapshots._silence_s = 600.0
    made.earn("challenger", *[1.0] * 99)
    assert made.shares(9) == {"challenger": pytest.approx(1.0, abs=0.1)}
    made.clock.now += 601
    assert made.shares(9) == {"champion": 1.0}
    [choice] = made.policy.choose(message_of(1), made.live)
    assert choice.reason == "fallback: no rewards for 600 s"


def test_what_is_known_goes_with_the_version_or_with_the_alias() -> None:
    for keep_by, share in (("version", 0.5), ("alias", 1.0)):
        made = world("thompson", keep_by=keep_by)
        made.earn("challenger", *[1.0] * 500)
        made.earn("champion", *[0.0] * 500)
        made.live = live_of(champion="8", challenger="9")
        assert made.shares(99)["challenger"] == pytest.approx(share, abs=1e-6)


def test_half_lives_and_windows_forget() -> None:
    for forget in ({"half_life": "1d"}, {"window": "2d", "bucket": "1d"}):
        made = world("thompson", forget=forget)
        made.earn("champion", *[1.0] * 100, when=NOW - 20 * 86_400)
        made.earn("challenger", *[0.0] * 100, when=NOW - 20 * 86_400)
        assert made.shares(9)["champion"] > 0.99
        made.earn("champion", *[0.0] * 20)
        made.earn("challenger", *[1.0] * 20)
        assert made.shares(9)["challenger"] > 0.99


def test_the_order_of_rewards_makes_no_difference() -> None:
    chance = np.random.default_rng(3)
    rewards = [(ARMS[i], float(r)) for i, r in zip(chance.integers(0, 2, 200), chance.random(200))]  # noqa: B905
    made, other = world("thompson", family="gaussian"), world("thompson", family="gaussian")
    for alias, reward in rewards:
        made.earn(alias, reward)
    for alias, reward in reversed(rewards):
        other.earn(alias, reward)
    assert made.ledger.sums() == other.ledger.sums()


def test_a_relative_reward_is_the_difference_to_the_champion() -> None:
    made = world("thompson", reward={"of": "brier", "relative": True}, family="gaussian")
    champion, challenger = made.policy.choose(message_of(2), made.live)[0], None
    for choice in made.policy.choose(message_of(200), made.live):
        if choice.name == "challenger":
            challenger = choice
        else:
            champion = choice
    assert champion.team is None
    assert challenger is not None
    assert challenger.team is not None
    weights = [(m.name, m.weight) for m in challenger.team.members]
    assert weights == [("challenger", 1.0), ("champion", 0.0)]
    both = {"challenger": "2", "champion": "1"}
    decision = made.decision("a/0", "challenger", aliases=both, scores={"2": [0.9], "1": [0.4]})
    [(arm, sums)] = made.policy.sums(decision, Earned(None, "yes", ("no", "yes"))).items()
    assert arm == "2-1"
    difference = (1 - 0.1**2) - (1 - 0.6**2)
    assert sums[1] / UNIT == pytest.approx(0.5 + difference / 2)
    alone = made.decision("a/0", "champion", scores={"1": [0.4]})
    [(arm, sums)] = made.policy.sums(alone, Earned(None, "yes", ("no", "yes"))).items()
    assert (arm, sums[1] / UNIT) == ("1-1", 0.5)


@pytest.mark.parametrize(
    ("of", "scores", "label", "classes", "reward"),
    [
        ("accuracy", [0.7], 1, (0, 1), 1.0),
        ("accuracy", [0.2, 0.5, 0.3], "c", ("a", "b", "c"), 0.0),
        ("brier", [0.7], 0, (0, 1), 1 - 0.49),
        ("brier", [0.2, 0.5, 0.3], "b", ("a", "b", "c"), 1 - 0.38 / 2),
        ("log_loss", [0.25], 0, (0, 1), 1 + np.log(0.75) / 5),
        ("log_loss", [0.0], 1, (0, 1), 0.0),
        ("absolute", [3.0], 5.0, (), 0.8),
        ("squared", [3.0], 5.0, (), 0.6),
    ],
)
def test_rewards_are_made_of_labels(
    of: str, scores: list[float], label: Any, classes: Any, reward: float
) -> None:
    low = {"low": -10.0} if of in ("absolute", "squared") else {}
    made = world("thompson", reward={"of": of, **low})
    decision = made.decision("a/0", "champion", scores={"1": scores})
    [sums] = made.policy.sums(decision, Earned(None, label, classes)).values()
    assert sums[1] / UNIT == pytest.approx(reward)


@pytest.mark.parametrize(
    ("rule", "earned", "problem"),
    [
        ({}, Earned(None, 1, ()), "has no reward"),
        ({}, Earned(1.5, None, ()), "the reward 1.5 is not 0.0 to 1.0"),
        ({"of": "brier"}, Earned(1.0, None, ()), "has no label"),
        ({"of": "brier"}, Earned(None, True, (0, 1)), "is none of the model's classes"),
        ({"of": "brier"}, Earned(None, 1, (0, 1)), "what version 1 answered is not known"),
    ],
)
def test_feedback_that_does_not_fit_is_refused(rule: Any, earned: Earned, problem: str) -> None:
    made = world("thompson", reward=rule)
    scores = {"1": [0.5]} if "classes" in problem else {}
    with pytest.raises(ValueError, match=problem):
        made.policy.sums(made.decision("a/0", "champion", scores=scores), earned)


@pytest.mark.parametrize(
    ("name", "params", "problem"),
    [
        ("thompson", {"arms": 3}, "arms: expected aliases"),
        ("thompson", {"arms": []}, "arms: expected one at least"),
        ("thompson", {"arms": ["2"]}, "arms.2: name an alias"),
        ("thompson", {"arms": {"a": {"floor": 0.6}, "b": {"floor": 0.6}}}, "floors of 1"),
        ("thompson", {"arms": {"a": {"floor": 0.6, "ceiling": 0.5}}}, "floor ≤ ceiling"),
        ("thompson", {"arms": {"a": {"flor": 0.6}}}, "class_args.arms.a.flor: unknown field"),
        ("thompson", {"arms": ARMS, "family": "poisson"}, "family: expected bernoulli"),
        ("thompson", {"arms": ARMS, "warm_start": -1}, "warm_start: expected"),
        ("thompson", {"arms": ARMS, "seed": "x"}, "seed: expected"),
        ("thompson", {"arms": ARMS, "keep_by": "x"}, "keep_by: expected"),
        ("thompson", {"arms": ARMS, "reward": {"of": "clicks"}}, "reward.of: unknown value"),
        ("thompson", {"arms": ARMS, "reward": {"low": 2.0}}, "expected two numbers"),
        ("thompson", {"arms": ARMS, "reward": {"of": "squared"}}, "expected two numbers"),
        ("thompson", {"arms": ARMS, "reward": {"relative": True}}, "needs a reward that is made"),
        ("thompson", {"arms": ARMS, "state": {"max_age": "1s"}}, "max_age: expected more"),
        ("thompson", {"arms": ARMS, "forget": {"half_life": "1d", "window": "1d"}}, "window: half"),
        ("thompson", {"arms": ARMS, "forget": {"window": "1h", "bucket": "2h"}}, "bucket"),
        ("ucb1", {"arms": ARMS, "width": -1}, "width: expected"),
        ("epsilon_greedy", {"arms": ARMS, "epsilon": 2}, "epsilon: expected"),
        ("linucb", {"arms": ARMS}, "columns"),
        ("linucb", {"arms": ARMS, "columns": {}}, "columns: expected columns"),
        ("linucb", {"arms": ARMS, "columns": {"a": {"deviation": 0}}}, "columns.a.deviation"),
        ("linucb", {"arms": ARMS, "columns": {"a": {"values": [1]}}}, "a list of texts"),
        ("linucb", {"arms": ARMS, "columns": {"a": {}}, "alpha": -1}, "alpha: expected"),
        ("linucb", {"arms": ARMS, "columns": {"a": {}}, "ridge": 0}, "ridge: expected"),
        ("linear_thompson", {"arms": ARMS, "columns": {"a": {}}, "scale": -1}, "scale: expected"),
    ],
)
def test_a_bad_declaration_is_named(name: str, params: Any, problem: str) -> None:
    with pytest.raises(DeclarationError, match=problem):
        make_policy(name, params, "router.class_args")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_bounded_shares_keep_to_their_bounds(data: st.DataObject) -> None:
    k = data.draw(st.integers(1, 6))
    unit = st.floats(0, 1)
    raw = np.array(data.draw(st.lists(unit, min_size=k, max_size=k))) + 1e-9
    floors = np.array(data.draw(st.lists(unit, min_size=k, max_size=k))) / k
    ceilings = np.maximum(floors, np.array(data.draw(st.lists(unit, min_size=k, max_size=k))))
    ceilings[0] = 1.0
    shares = bounded(raw / raw.sum(), floors, ceilings)
    assert shares.sum() == pytest.approx(1)
    assert (shares >= floors - 1e-6).all()
    assert (shares <= ceilings + 1e-6).all()


def test_probabilities_of_the_best_are_those_of_draws() -> None:
    chance = np.random.default_rng(5)
    a, b = np.array([3.0, 40.0, 1.0, 900.0]), np.array([2.0, 30.0, 1.0, 700.0])
    drawn = np.bincount(chance.beta(a, b, (200_000, 4)).argmax(1), minlength=4) / 200_000
    assert best_of_betas(a, b) == pytest.approx(drawn, abs=0.005)
    means, deviations = np.array([0.1, 0.2, 0.15]), np.array([0.2, 0.01, 0.0001])
    normal = np.bincount(chance.normal(means, deviations, (200_000, 3)).argmax(1), minlength=3)
    assert best_of_normals(means, deviations) == pytest.approx(normal / 200_000, abs=0.005)


def regret(
    policy: Learning, means: np.ndarray[Any, Any], seed: int, pulls: int, every: int
) -> float:
    """Pseudo-regret of Bernoulli arms, the snapshot renewed every so many pulls."""
    names = [f"arm{i}" for i in range(len(means))]
    made = World("thompson", {"arms": names}, champion="arm0", **{n: n for n in names})
    made.policy = policy
    policy.attach(made.snapshots)
    chance, lost = np.random.default_rng(seed), 0.0
    for first in range(0, pulls, every):
        made.snapshots.refresh()
        message = message_of(every)
        message.id = f"{seed}-{first}"
        adds: Counter[str] = Counter()
        for choice in policy.choose(message, made.live):
            mean = means[names.index(choice.name)]
            lost += means.max() - mean
            reward = float(chance.random() < mean)
            decision = made.decision("x/0", choice.name)
            adds.update(fields(policy.sums(decision, Earned(reward, None, ()))))
        made.ledger.credit(Credit(0, [message.id], adds), 60, NOW)
    return lost


@pytest.mark.parametrize(
    ("name", "params", "most"),
    [("thompson", {}, 110.0), ("ucb1", {}, 330.0), ("epsilon_greedy", {"epsilon": 0.1}, 400.0)],
)
def test_bernoulli_regret(name: str, params: Any, most: float) -> None:
    """Five arms from .5 to .7, 10,000 pulls: CASES' test bed, renewed every 20 pulls."""
    means, regrets = np.linspace(0.5, 0.7, 5), []
    for seed in range(SEEDS):
        arms = {"arms": [f"arm{i}" for i in range(5)], "warm_start": 1, "seed": seed, **params}
        policy = make_policy(name, arms, "router")
        assert isinstance(policy, Learning)
        regrets.append(regret(policy, means, seed, 10_000, 20))
    tell(f"{name}: {np.mean(regrets):.0f} ± {np.std(regrets):.0f} over {SEEDS} seeds")
    assert np.mean(regrets) <= most


def test_thompson_s_regret_is_the_oracle_s() -> None:
    """Ten arms, one at .5 and nine at .4: 161 ± 49 one by one, 232 in batches of 1,000."""
    means, regrets = np.array([0.5] + [0.4] * 9), []
    for seed in range(SEEDS):
        arms = {"arms": [f"arm{i}" for i in range(10)], "warm_start": 0, "seed": seed}
        policy = make_policy("thompson", arms, "router")
        assert isinstance(policy, Learning)
        regrets.append(regret(policy, means, seed, 10_000, 1000))
    tell(f"in batches of 1,000: {np.mean(regrets):.0f} ± {np.std(regrets):.0f}")
    assert 150 <= np.mean(regrets) <= 330
