"""What labels make of answers: the sums, the snapshots, the moves."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.coded import Coded
from sluice.correction.asked import Asked
from sluice.correction.copies import Known
from sluice.correction.moves import Move, Moves, moved, moved_table
from sluice.correction.plan import Plan
from sluice.correction.snapshot import Learnt, Snapshot
from sluice.correction.sums import added, learnt_by, spread_of, truth_of
from sluice.errors import DeclarationError
from sluice.routing.statistics import fields, read

T0 = 1_364_774_400.0  # 2013-04-01
HOUR = 3600.0
Told = tuple[float, float, str, int]  # hours after T0, score, city, label


def plan_of(**params: object) -> Plan:
    return Plan.parse({"features": ["city"], **params})


def asked(at: float, score: float, city: str | None, number: int = 0) -> Asked:
    return Asked("r/0", at, "1", score, (city,), number)


def learn(
    plan: Plan, told: Sequence[Told], time: float, used: Snapshot | None = None, spread: float = 0.0
) -> Snapshot:
    sums: dict[int, dict[str, int]] = {}
    for hours, score, city, label in told:
        one = asked(T0 + hours * HOUR, score, city)
        bucket = sums.setdefault(plan.bucket(one.at), {})
        for field, amount in fields(added(plan, one, float(label), spread, used)).items():
            bucket[field] = bucket.get(field, 0) + amount
    off = [v for v, learnt in used.versions.items() if learnt.off] if used else []
    return learnt_by(plan, read(sums), {"1": spread}, Snapshot(1, 1, time, {}), off)


def test_answers_are_moved_to_where_labels_are() -> None:
    """Of many labels at one probability the move is the difference of the log-odds, nearly."""
    plan = plan_of(bound=5, half_life="1000d")
    told = [(0.0, 0.2, "Bonn", int(i % 10 < 3)) for i in range(4000)]
    learnt = learn(plan, told, T0 + HOUR).versions["1"]
    made = moved(0.2, Move(1, learnt.move(("Bonn",), 5), 0.0, False))
    assert made == pytest.approx(0.3, abs=0.02)
    assert learnt.labels == 4000


def test_a_value_of_its_own_moves_further() -> None:
    plan = plan_of()
    told = [(0.0, 0.5, ("Aden", "Bonn")[i % 2], int(i % 2)) for i in range(2000)]
    learnt = learn(plan, told, T0 + HOUR).versions["1"]
    assert learnt.base == pytest.approx(0.0, abs=1e-9)
    assert learnt.effects["city"]["Bonn"] == pytest.approx(0.75 * math.log(3), rel=0.3)
    assert learnt.effects["city"]["Aden"] == -learnt.effects["city"]["Bonn"]
    assert learnt.move(("elsewhere",), 1.0) == learnt.base == learnt.move((None,), 1.0)


def test_each_feature_may_have_a_share_of_its_own() -> None:
    told = [(0.0, 0.5, ("Aden", "Bonn")[i % 2], int(i % 2)) for i in range(2000)]
    plans = [plan_of(share=share) for share in (1, {"city": 0.5}, {"city": 0}, {})]
    one, half, none, usual = (learn(plan, told, T0 + HOUR).versions["1"] for plan in plans)
    assert half.effects["city"]["Bonn"] == one.effects["city"]["Bonn"] / 2 > 0
    assert none.effects["city"]["Bonn"] == 0.0
    assert usual.effects["city"]["Bonn"] == 0.75 * one.effects["city"]["Bonn"]
    assert {learnt.base for learnt in (one, half, none, usual)} == {one.base}


@given(
    st.lists(
        st.tuples(
            st.floats(0, 100),
            st.floats(0, 1),
            st.sampled_from(["Aden", "Bonn", "a|b", ""]),
            st.integers(0, 1),
        ),
        max_size=30,
    ),
    st.floats(0.01, 3),
    st.randoms(),
)
def test_a_move_is_bounded_and_the_order_makes_no_difference(
    told: list[Told], bound: float, random: object
) -> None:
    plan = plan_of(bound=bound)
    snapshot = learn(plan, told, T0 + 101 * HOUR)
    mixed = list(told)
    getattr(random, "shuffle")(mixed)  # noqa: B009 (hypothesis gives no type)
    assert learn(plan, mixed, T0 + 101 * HOUR) == snapshot
    for learnt in snapshot.versions.values():
        for city in ("Aden", "Bonn", "a|b", "", "other", None):
            assert abs(learnt.move((city,), bound)) <= bound
        assert all(abs(e) <= bound for e in learnt.effects["city"].values())


def test_what_is_old_counts_by_half() -> None:
    plan = plan_of(half_life="10h", prior=1e-6)
    told: list[Told] = [(0.0, 0.5, "Aden", 1)] * 100 + [(20.0, 0.5, "Aden", 0)] * 25
    learnt = learn(plan, told, T0 + 21 * HOUR).versions["1"]
    assert learnt.base == pytest.approx(0.0, abs=1e-6)


def test_it_turns_itself_off_when_it_is_worse_and_on_again() -> None:
    plan = plan_of(least=50, window="7h", half_life="1d")
    wrong = Learnt(10, 1.0, {"city": {}})
    used = Snapshot(1, 1, T0, {"1": wrong})
    told: list[Told] = [(0.5, 0.5, "Aden", 0)] * 60
    worse = learn(plan, told, T0 + HOUR, used).versions["1"]
    assert (worse.off, worse.judged) == (True, 60)
    assert worse.corrected > worse.without == pytest.approx(math.log(2))
    assert not learn(plan, told[:49], T0 + HOUR, used).versions["1"].off
    assert not learn(plan, told, T0 + 9 * HOUR, used).versions["1"].off  # the window is over
    better = [(0.5, 0.5, "Aden", 1)] * 60
    assert not learn(plan, better, T0 + HOUR, used).versions["1"].off


def test_within_the_margin_it_stays_as_it_is() -> None:
    plan = plan_of(least=50, window="7h", half_life="1d", margin=0.05)
    told: list[Told] = [(0.5, 0.5, "Aden", i % 2) for i in range(60)]
    for off in (False, True):
        little = Learnt(10, 0.2, {"city": {}}, off=off)
        found = learn(plan, told, T0 + HOUR, Snapshot(1, 1, T0, {"1": little})).versions["1"]
        assert found.without < found.corrected < found.without * 1.05
        assert found.off == off


def test_a_number_is_moved_in_spreads() -> None:
    plan = plan_of(bound=0.5, prior=1)
    told = [(0.0, 10.0, "Aden", 14)] * 400
    learnt = learn(plan, told, T0 + HOUR, spread=4.0).versions["1"]
    assert learnt.base == 0.5
    assert moved(10.0, Move(1, learnt.move(("Aden",), 0.5), 4.0, False)) == 12.0


@pytest.mark.parametrize(
    ("label", "classes", "spread", "problem"),
    [
        (2, (0, 1), 0.0, "none of the model's classes"),
        ("late", (0, 1), 0.0, "none of the model's classes"),
        (math.nan, (0, 1), 0.0, "none of the model's classes"),
        (1, (0, 1, 2), 0.0, "has 3 classes"),
        (math.nan, (), 1.0, "is no number"),
        (math.inf, (), 1.0, "is no number"),
        (True, (), 1.0, "is no number"),
        (1e9, (), 1.0, "over 100 spreads off"),
        (1.0, (), 0.0, "tells no spread"),
    ],
)
def test_a_label_that_cannot_be_is_refused_by_name(
    label: object, classes: tuple[int, ...], spread: float, problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        truth_of(asked(T0, 0.5, None), label, classes, spread)


def test_the_spread_of_a_reference() -> None:
    assert spread_of([float(i) for i in range(101)]) == 80.0
    for quantiles in ([], [3.0] * 101):
        with pytest.raises(ValueError, match="no spread"):
            spread_of(quantiles)


def snapshots() -> list[Snapshot]:
    first = Learnt(9, 0.3, {"city": {"Bonn": 0.2, "Cork": -0.9}})
    numbers = Learnt(9, 0.3, {"city": {"Bonn": 0.2}}, 7.5)
    off = Learnt(9, 0.3, {"city": {}}, off=True)
    return [
        Snapshot(1, 1, T0, {"1": first}),
        Snapshot(1, 2, T0 + HOUR, {"1": numbers, "2": first}),
        Snapshot(1, 3, T0 + 2 * HOUR, {"1": off}),
    ]


@given(
    st.lists(
        st.tuples(
            st.floats(0, 1, width=32),
            st.sampled_from(["Aden", "Bonn", "Cork", None]),
            st.one_of(st.floats(-1, 500), st.just(math.nan)),
        ),
        min_size=1,
        max_size=20,
    ),
    st.sampled_from(["hold", "fade"]),
    st.sampled_from(["1", "2", "3"]),
)
def test_a_table_is_moved_as_each_of_its_rows(
    rows: list[tuple[float, str | None, float]], silence: str, version: str
) -> None:
    plan = plan_of(silence=silence, frozen_after="3h", bound=0.45)
    made = snapshots()
    moves = Moves(plan, Known([s.time for s in made], made, False), False)
    at = np.array([T0 + hours * HOUR for _, _, hours in rows])
    scores = np.array([score for score, _, _ in rows], np.float64)
    table = moves.table(version, {"city": Coded.of([city for _, city, _ in rows])}, at)
    together = moved_table(scores, table).tolist()
    for place, (score, city, _) in enumerate(rows):
        move = moves.one(version, [city], float(at[place]))
        told = [table.number, table.by, table.spread, table.frozen]
        assert list(move) == [column[place].item() for column in told]
        assert moved(float(score), move) == together[place]


def test_what_was_not_known_yet_moves_nothing() -> None:
    made = snapshots()
    moves = Moves(plan_of(), Known([s.time for s in made], made, False), False)
    assert moves.one("1", ["Bonn"], T0 - 1) == Move(0, 0.0, 0.0, False)
    assert moves.one("1", ["Bonn"], T0).number == 1
    assert moves.one("1", ["Bonn"], T0 + HOUR - 1).number == 1
    assert moves.one("9", ["Bonn"], T0) == Move(1, 0.0, 0.0, False)
    assert moves.one("1", ["Bonn"], T0 + 2.5 * HOUR) == Move(3, 0.0, 0.0, True)


def test_moves_are_held_or_fade_when_labels_stop() -> None:
    made = snapshots()[:1]
    known = Known([T0], made, False)
    late = T0 + 2 * 86_400 + 86_400
    plans = {silence: plan_of(silence=silence, half_life="1d") for silence in ("hold", "fade")}
    held = Moves(plans["hold"], known, False).one("1", ["Bonn"], late)
    fading = Moves(plans["fade"], known, False).one("1", ["Bonn"], late)
    assert (held.by, held.frozen) == (0.5, True)
    assert (fading.by, fading.frozen) == (0.25, True)


def test_no_move_is_to_the_bit() -> None:
    rng = np.random.default_rng(1)
    for score in rng.random(100).astype(np.float32).tolist():
        assert moved(score, Move(0, 0.0, 0.0, False)) == score


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({"features": "city"}, "expected a list"),
        ({"features": ["a", "a"]}, "each once"),
        ({"bound": 0}, "bound: expected a number"),
        ({"share": 2}, "share: expected a number"),
        ({"share": {"city": True}}, "share: expected a number"),
        ({"share": {"cty": 0.5}}, "share: no feature 'cty': did you mean"),
        ({"prior": 0}, "prior: expected a number"),
        ({"margin": 2}, "margin: expected a number"),
        ({"keep": 0}, "keep: expected a whole number"),
        ({"least": 0}, "least: expected a whole number"),
        ({"every": "3d"}, "every: expected a second to the half-life"),
        ({"window": "1m"}, "window: expected no less"),
        ({"refresh": "2m"}, "max_age: expected more than refresh"),
        ({"silence": "scream"}, "unknown value 'scream'"),
        ({"rate": 0.1}, "unknown field"),
    ],
)
def test_declarations_that_are_wrong(params: dict[str, object], problem: str) -> None:
    with pytest.raises(DeclarationError, match=problem):
        plan_of(**params)
