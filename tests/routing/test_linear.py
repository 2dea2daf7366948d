"""Contextual bandits: what they see, that a row decides for itself, and digits as a test bed.

DIGITS is through how many of them a policy goes (600 by default, 0 for all), DIGITS_SEEDS how often
(1), DIGITS_EVERY how often its snapshot is renewed (16). The figures, in some minutes:

    DIGITS=0 DIGITS_EVERY=1 DIGITS_SEEDS=5 pytest tests/routing/test_linear.py -k digits -s
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.routing.learning import Learning
from sluice.routing.ledger import Credit
from sluice.routing.linear import Fits, Linear
from sluice.routing.policy import make_policy
from sluice.routing.rewards import Earned
from sluice.routing.statistics import Floats, fields
from tests.routing.known import NOW, World, live_of, message_of
from tests.routing.test_bandits import ARMS, tell
from tests.tiny import Tiny

DIGITS = int(os.environ.get("DIGITS", "600"))
EVERY = int(os.environ.get("DIGITS_EVERY", "16"))
SEEDS = int(os.environ.get("DIGITS_SEEDS", "1"))
CONTEXTUAL = ("linear_thompson", "linucb")
COLUMNS = ["city", "amount", "visits"]
CONTEXT = {"amount": {"mean": 100, "deviation": 50}, "city": {"values": ["Bonn", "Oslo"]}}


def world(name: str, **params: Any) -> World:
    return World(name, {"arms": ARMS, "columns": CONTEXT, "warm_start": 0, **params})


def seen(made: World, *rows: Sequence[Any]) -> list[tuple[float, ...]]:
    message = message_of(len(rows), COLUMNS, [list(row) for row in rows])
    assert isinstance(made.policy, Linear)
    numbers, n = made.policy.context.of(message), made.policy.context.length
    return [tuple(numbers[at : at + n]) for at in range(0, len(numbers), n)]


def test_columns_become_numbers_of_one_scale() -> None:
    rows: list[list[Any]] = [
        ["Bonn", 150.0, 1],
        ["Rome", None, 1],
        [None, float("nan"), 1],
        ["Oslo", 1e9, 1],
    ]
    assert seen(world("linucb"), *rows) == [
        (1.0, 1.0, 1.0, 0.0),
        (1.0, 0.0, 0.0, 0.0),
        (1.0, 0.0, 0.0, 0.0),
        (1.0, 5.0, 0.0, 1.0),
    ]


def test_rows_are_seen_by_their_own_columns_whatever_others_ask_meanwhile() -> None:
    policy = world("linucb").policy
    assert isinstance(policy, Linear)
    context = policy.context

    class Rows(list[list[Any]]):
        def __iter__(self) -> Iterator[list[Any]]:
            context.of(message_of(1, [*reversed(COLUMNS)], [[1, 100.0, "Oslo"]]))
            return super().__iter__()

    message = message_of(1, COLUMNS, [])
    message.values = Rows([["Bonn", 150.0, 1]])
    assert context.of(message) == [1.0, 1.0, 1.0, 0.0]


@pytest.mark.parametrize(
    ("context", "problem"),
    [
        ({"town": {}}, r"columns: no column 'town'"),
        ({"city": {}}, "columns.city: needs values"),
        ({"amount": {"values": ["a"]}}, "columns.amount: needs mean and deviation"),
    ],
)
def test_a_context_must_fit_the_declarations(context: Any, problem: str, tiny: Tiny) -> None:
    policy = make_policy("linucb", {"arms": ARMS, "columns": context}, "router")
    with pytest.raises(ValueError, match=problem):
        policy.check(tiny.definitions)
    make_policy("linucb", {"arms": ARMS, "columns": CONTEXT}, "router").check(tiny.definitions)


def rows_of(count: int, seed: int = 1) -> list[list[Any]]:
    chance = np.random.default_rng(seed)
    cities = np.array(["Bonn", "Oslo", "Rome"])[chance.integers(0, 3, count)]
    return [[str(c), float(a), 1.0] for c, a in zip(cities, chance.normal(100, 50, count))]  # noqa: B905


def taught(name: str, **params: Any) -> World:
    """In Bonn the challenger earns, elsewhere the champion."""
    made = world(name, **params)
    for row, context in zip(rows_of(120), seen(made, *rows_of(120)), strict=True):
        for alias in ARMS:
            good = (row[0] == "Bonn") == (alias == "challenger")
            made.earn(alias, float(good), context=context)
    made.snapshots.refresh()
    return made


@pytest.mark.parametrize("name", CONTEXTUAL)
def test_who_is_best_depends_on_the_request(name: str) -> None:
    made = taught(name)
    message = message_of(2, COLUMNS, [["Bonn", 100.0, 1.0], ["Rome", 100.0, 1.0]])
    first, second = made.policy.choose(message, made.live)
    assert (first.name, second.name) == ("challenger", "champion")
    assert (first.context, second.context) == ((1.0, 0.0, 1.0, 0.0), (1.0, 0.0, 0.0, 0.0))
    assert first.propensity > 0.95


@pytest.mark.parametrize("name", CONTEXTUAL)
@pytest.mark.parametrize("floor", [0.0, 0.2])
def test_a_row_does_not_depend_on_its_neighbours(name: str, floor: float) -> None:
    made = taught(name, arms={alias: {"floor": floor} for alias in ARMS})
    rows = rows_of(400, seed=9)
    message = message_of(400, COLUMNS, rows)
    together = made.policy.choose(message, made.live)
    for place in range(0, 400, 37):
        alone = message_of(1, COLUMNS, [rows[place]])
        alone.rows = [place]
        assert made.policy.choose(alone, made.live) == [together[place]]
        assert together[place].propensity >= floor - 1e-6


NUMBERS = st.floats(-5, 5) | st.sampled_from([0.0, -0.0, 1.0])


@pytest.mark.parametrize("name", CONTEXTUAL)
@given(st.integers(1, 6), st.integers(1, 3), st.integers(1, 20), st.data())
def test_a_row_alone_has_the_same_shares_to_the_bit(
    name: str, d: int, arms: int, rows: int, data: st.DataObject
) -> None:
    made = world(name)
    assert isinstance(made.policy, Linear)
    snapshot = made.policy.latest()
    assert snapshot is not None
    several = st.lists(NUMBERS, min_size=d * d, max_size=d * d)
    forms = data.draw(st.lists(several, min_size=2 * arms, max_size=2 * arms))
    alone = [(forms[arm][:d], forms[arms + arm]) for arm in range(arms)]
    stacked = np.array(forms)
    stacked[:arms, d:] = 0
    fits = Fits(made.live, snapshot, ["arm"] * arms, stacked, alone, None, None)
    seen = [[1.0, *data.draw(st.tuples(*[NUMBERS] * (d - 1)))] for _ in range(rows)]
    together = made.policy._shares(np.array(seen), fits).tolist()
    assert [made.policy._alone(x, alone, snapshot) for x in seen] == together


@pytest.mark.parametrize("name", CONTEXTUAL)
def test_what_is_logged_is_how_often_it_happens(name: str) -> None:
    made = world(name, arms={alias: {"floor": 0.1} for alias in ARMS}, columns={"visits": {}})
    for alias in ARMS:
        for value in range(6):
            made.earn(alias, float(value % 2), context=(1.0, value / 5))
    made.snapshots.refresh()
    choices = made.policy.choose(message_of(1000, COLUMNS, [["", 0.0, 1.0]] * 1000), made.live)
    counted, logged = Counter(c.name for c in choices), {c.name: c.propensity for c in choices}
    assert sum(logged.values()) == pytest.approx(1)
    for alias, propensity in logged.items():
        assert abs(counted[alias] / 1000 - propensity) < 0.04


@pytest.mark.parametrize("name", CONTEXTUAL)
def test_a_column_that_no_live_version_has_is_a_reason_to_fall_back(name: str) -> None:
    made = world(name)
    [choice] = made.policy.choose(message_of(1, ["city"], [["Bonn"]]), made.live)
    assert choice.name == "champion"
    assert choice.reason == "fallback: no version that is live uses amount"
    made.clock.now += 61
    [choice] = made.policy.choose(message_of(1, COLUMNS, rows_of(1)), made.live)
    assert choice.reason.startswith("fallback: rewards are not known")


def test_a_decision_with_another_context_is_refused() -> None:
    made = world("linucb")
    with pytest.raises(ValueError, match="context is another"):
        made.policy.sums(made.decision("a/0", "champion"), Earned(1.0, None, ()))


@pytest.mark.parametrize("name", CONTEXTUAL)
def test_a_warm_start_knows_no_context(name: str) -> None:
    made = world(name, warm_start=5)
    choices = made.policy.choose(message_of(50, COLUMNS, rows_of(50)), made.live)
    assert {(c.name, c.propensity, c.reason) for c in choices} == {
        (alias, 0.5, "warm start") for alias in ARMS
    }


def digits(name: str, seed: int, every: int) -> float:
    """Mean reward over one pass through scikit-learn's digits: 1 for the right one, else 0."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(pixels))[: DIGITS or None]
    columns = [f"p{i}" for i in range(64)]
    aliases = {f"d{i}": str(i) for i in range(10)}
    params = {
        "arms": list(aliases),
        "columns": {c: {"deviation": 16.0} for c in columns},
        "warm_start": 0,
        "seed": seed,
    }
    made = World(name, params, champion="0", **aliases)
    earned = 0.0
    for first in range(0, len(order), every):
        made.snapshots.refresh()
        rows: Floats = pixels[order[first : first + every]]
        message = message_of(len(rows), columns, rows.tolist())
        message.id = str(first)
        adds: Counter[str] = Counter()
        for choice, label in zip(
            made.policy.choose(message, made.live), labels[order[first:]], strict=False
        ):
            reward = float(choice.version == str(label))
            earned += reward
            decision = made.decision("x/0", choice.name, context=choice.context)
            adds.update(fields(made.policy.sums(decision, Earned(reward, None, ()))))
        made.ledger.credit(Credit(0, [message.id], adds), 60, NOW)
    return earned / len(order)


LEAST = {"linucb": (0.55, 0.8, 0.84), "linear_thompson": (0.45, 0.7, 0.75)}


@pytest.mark.parametrize("name", LEAST)
def test_digits_as_a_contextual_bandit(name: str) -> None:
    """Chance would have .1."""
    found = [digits(name, seed, EVERY) for seed in range(SEEDS)]
    tell(f"{name}: {np.mean(found):.3f} ± {np.std(found):.3f}, renewed every {EVERY}")
    few, some, every = LEAST[name]
    assert np.mean(found) >= (few if DIGITS else every if EVERY == 1 else some)


def test_arms_that_are_not_live_leave_the_champion() -> None:
    made = world("linucb", arms=["third"])
    made.live = live_of(champion="1")
    [choice] = made.policy.choose(message_of(1, COLUMNS, rows_of(1)), made.live)
    assert (choice.name, choice.reason) == ("champion", "none of the arms is live")
    assert isinstance(made.policy, Learning)
