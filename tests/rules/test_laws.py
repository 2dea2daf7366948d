"""What holds for every list rule, and what single ones promise."""

from __future__ import annotations

import math
from itertools import combinations, permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.rules.make import RULES, rule_class
from sluice.rules.ranking import Ranking
from sluice.rules.rule import ListRule
from tests.rules.lists import Row, plain, ranking, rule, rules

NEW = {"field": "new", "op": "==", "value": True}
EACH: dict[str, dict[str, Any]] = {
    "allow": {"values": [1, 2, 3, 5, 8]},
    "calibrate": {},
    "cap": {"by": "genres", "most": 2, "first": 4},
    "clip": {"low": -1, "high": 1},
    "decay": {"field": "year", "at": 2000, "scale": 10, "weight": 0.3},
    "deny": {"values": [2, 4]},
    "exposure": {"by": "seller", "first": 5},
    "fair": {"where": NEW, "p": 0.4, "k": 6},
    "fresh": {"field": "year", "at": 2000, "within": 5, "least": 2, "first": 4},
    "mmr": {"of": "genres", "diversity": 0.4, "k": 4},
    "pin": {"values": [3, 1], "at": 2},
    "quota": {"where": NEW, "least": 2, "first": 4},
    "require": {"where": {"field": "year", "op": ">=", "value": 1990}},
    "round": {"digits": 1},
    "top_k": {"k": 4},
}
ONCE = set(EACH) - {"decay", "mmr"}  # those change what they measure by
DROP = {"allow", "deny", "require", "top_k"}
GENRES = st.sampled_from([None, "a", "b", "a|b", "c", "b|c"])
ROW = st.tuples(
    GENRES,
    st.sampled_from([None, "x", "y", "z"]),
    st.sampled_from([math.nan, 1985.0, 1992.0, 1996.0, 1999.0, 2000.0]),
    st.sampled_from([0.0, 1.0]),
    st.sampled_from([-2.0, -0.5, 0.0, 0.25, 0.25, 0.5, 0.75, 1.0, 3.0]),
)
ROWS = st.lists(ROW, max_size=9).map(lambda rows: [(i, *row) for i, row in enumerate(rows)])


def test_every_list_rule_is_here() -> None:
    listed = {name for name in RULES if issubclass(rule_class(name), ListRule)}
    assert listed == set(EACH)


@pytest.mark.parametrize("name", EACH)
@settings(max_examples=60, deadline=None)
@given(rows=ROWS, seed=st.integers(0, 99))
def test_laws(name: str, rows: list[Row], seed: int) -> None:
    made = rule(name, **EACH[name])
    before = ranking(rows)
    places, scores = list(before.places), before.scores.copy()
    after = made.rank(before)
    assert before.places == places
    assert np.array_equal(before.scores, scores)
    assert len(set(after.places)) == len(after.places)
    assert set(after.places) <= set(places)
    assert name in DROP or len(after) == len(before)
    if name in DROP:
        assert after.places == [place for place in places if place in after.places]
    mixed = [rows[i] for i in np.random.default_rng(seed).permutation(len(rows))]
    other = rule(name, **EACH[name]).rank(ranking(mixed))
    assert (other.ids, other.scores.tolist()) == (after.ids, after.scores.tolist())
    if name in ONCE:
        assert made.rank(after).ids == after.ids
    assert made.why_ranked(before, after)


@pytest.mark.parametrize("name", sorted(set(EACH) - {"pin", "deny", "allow", "require"}))
@settings(max_examples=40, deadline=None)
@given(rows=ROWS)
def test_what_is_pinned_stays(name: str, rows: list[Row]) -> None:
    pin = rule("pin", values=[4, 0], at=2)
    pinned = pin.rank(ranking(rows))
    after = rule(name, **EACH[name]).rank(pinned)
    for place, at in pinned.held.items():
        assert after.places.index(place) == at or len(after) <= at + 1
        assert place in after.places


@settings(max_examples=80, deadline=None)
@given(rows=ROWS, least=st.integers(1, 4), extra=st.integers(0, 3))
def test_a_quota_is_met_when_it_can_be_and_costs_least(
    rows: list[Row], least: int, extra: int
) -> None:
    first = least + extra
    made, before = rule("quota", where=NEW, least=least, first=first), ranking(rows)
    after = made.rank(before)
    new = [row[4] > 0 for row in rows]
    can = sum(new) >= least
    assert bool(made.unmet(before, after)) == (not can and bool(rows))
    if not can:
        return
    rank = {place: at for at, place in enumerate(before.places)}
    top = after.places[:first]
    best = min(
        (
            sorted(rank[p] for p in some)
            for some in combinations(before.places, min(first, len(rows)))
            if sum(new[p] for p in some) >= least
        ),
        key=sum,
    )
    assert sorted(rank[p] for p in top) == best
    assert [rank[p] for p in after.places[first:]] == sorted(rank[p] for p in after.places[first:])


@settings(max_examples=60, deadline=None)
@given(rows=ROWS, held=st.booleans())
def test_fair_is_met_when_it_can_be(rows: list[Row], held: bool) -> None:
    made = rule("fair", where=NEW, p=0.6, k=5, alpha=0.3, adjust=False)
    before = ranking(rows)
    if held:
        before = rule("pin", values=[0], at=3).rank(before)
    after = made.rank(before)
    possible = any(not made.unmet(before, _with(before, order)) for order in _orders(before))
    assert bool(made.unmet(before, after)) == (not possible)


def _orders(before: Ranking) -> list[tuple[int, ...]]:
    """All orders by who is new, which is all that matters; few enough to try each."""
    new = before.items.column("new")
    seen: dict[tuple[Any, ...], tuple[int, ...]] = {}
    if len(before) > 6:  # too many: all of the new ones first is as good as any
        ones = [place for place in before.places if new[place]]
        return [(*ones, *(place for place in before.places if not new[place]))]
    for order in permutations(before.places):
        seen.setdefault(tuple(new[p] for p in order), order)
    return list(seen.values()) or [()]


def _with(before: Ranking, order: tuple[int, ...]) -> Ranking:
    return before.ordered(order)


@settings(max_examples=60, deadline=None)
@given(rows=ROWS, most=st.integers(1, 2), first=st.integers(1, 5))
def test_a_cap_of_single_categories_holds_when_it_can(
    rows: list[Row], most: int, first: int
) -> None:
    made, before = rule("cap", by="seller", most=most, first=first), ranking(rows)
    after = made.rank(before)
    sellers = [row[2] for row in rows]
    room = sum(1 for s in sellers if s is None)
    room += sum(min(most, sellers.count(s)) for s in "xyz")
    can = room >= min(first, len(rows))
    assert bool(made.unmet(before, after)) == (not can)
    whole = rule("cap", by="seller", most=most)
    assert not whole.unmet(before, whole.rank(before))
    assert len(whole.rank(before)) == room


@settings(max_examples=60, deadline=None)
@given(rows=ROWS)
def test_mmr_is_greedy(rows: list[Row]) -> None:
    made, before = rule("mmr", of="genres", diversity=0.6, k=3), ranking(rows)
    after = made.rank(before)
    if len(rows) < 2:
        return
    words = [set((row[1] or "").split("|")) - {""} for row in rows]
    scores = before.scores[before.places]
    low, high = scores.min(), scores.max()
    relevance = {
        p: (before.scores[p] - low) / (high - low) if high > low else 1.0 for p in before.places
    }

    def alike(a: int, b: int) -> float:
        size = math.sqrt(len(words[a]) * len(words[b]))
        return len(words[a] & words[b]) / size if size else 0.0

    chosen: list[int] = []
    for place in after.places[:3]:

        def value(p: int) -> float:
            nearest = max((alike(p, c) for c in chosen), default=0.0)
            return 0.4 * relevance[p] - 0.6 * nearest

        best = max(value(p) for p in before.places if p not in chosen)
        assert value(place) == pytest.approx(best, abs=1e-9)
        chosen.append(place)


@settings(max_examples=100, deadline=None)
@given(rows=ROWS, least=st.integers(1, 3), k=st.integers(4, 9), at=st.integers(0, 5))
def test_mmr_keeps_the_quota_before_it(rows: list[Row], least: int, k: int, at: int) -> None:
    """And what is pinned: it can be kept with the pin wherever the quota alone could keep it."""
    quota = rule("quota", where=NEW, least=least, first=4)
    made = rule("mmr", of="genres", diversity=0.8, k=k)
    before = ranking(rows)
    if at:
        before = rule("pin", values=[0], at=at).rank(before)
    kept = quota.rank(before)
    after = made.rank(kept)
    assert quota.unmet(before, after) == quota.unmet(before, kept)
    assert sorted(after.places) == sorted(before.places)
    assert made.rank(kept).ids == after.ids


def test_mmr_chooses_the_best_of_those_that_a_quota_leaves() -> None:
    """The last of three has to be new: not the next in the list, but the one that is unlike."""
    genres, new = ["a", "b", "a", "a", "b", "c"], [0, 0, 0, 1.0, 1.0, 1.0]
    before = plain([1, 0.9, 0.8, 0.6, 0.5, 0.4], genres=genres, new=new)
    quota = rule("quota", where=NEW, least=1, first=3)
    mmr = rule("mmr", of="genres", diversity=0.5, k=3)
    assert mmr.rank(before).ids[:3] == [0, 1, 5]
    assert mmr.rank(plain([1, 0.9, 0.8, 0.6, 0.5, 0.4], genres=genres)).ids[:3] == [0, 1, 5]
    assert quota.rank(mmr.rank(before)).ids[:3] == [0, 1, 5]
    near = plain([1, 0.9, 0.89, 0.6, 0.5, 0.1], genres=["a", "b", "d", "a", "b", "c"], new=new)
    assert mmr.rank(near).ids[:3] == [0, 1, 2]
    assert quota.rank(mmr.rank(near)).ids[:3] == [0, 1, 3]
    assert mmr.rank(quota.rank(near)).ids[:3] == [0, 1, 5]


@settings(max_examples=60, deadline=None)
@given(n=st.integers(2, 12), seed=st.integers(0, 999))
def test_exposure_of_two_groups_is_shared(n: int, seed: int) -> None:
    """With no tolerance no group is further from its half than one position counts."""
    sellers = ["x"] * n + ["y"] * n
    scores = np.random.default_rng(seed).random(2 * n) + np.repeat([1.0, 0.0], n)
    made = rule("exposure", by="seller", first=n, tolerance=0)
    before = plain(scores.tolist(), seller=sellers)
    after = made.rank(before)
    from sluice.rules.exposure import exposures, shares

    found = shares([sellers[p] for p in after.places[:n]])
    assert abs(found.get("x", 0.0) - 0.5) <= 0.5 / sum(exposures(n)) + 1e-9
    assert [p for p in after.places if p < n] == [p for p in before.places if p < n]


@settings(max_examples=60, deadline=None)
@given(rows=ROWS, least=st.integers(1, 3))
def test_fresh_is_a_quota_of_what_is_new(rows: list[Row], least: int) -> None:
    fresh = rule("fresh", field="year", at=2000, within=5, least=least, first=4)
    year = {"field": "year", "op": ">=", "value": 1995}
    quota = rule("quota", where=year, least=least, first=4)
    before = ranking(rows)
    after = fresh.rank(before)
    assert after.ids == quota.rank(before).ids
    assert fresh.unmet(before, after) == quota.unmet(before, after)


def test_exposure_is_judged_by_the_candidates_that_it_was_handed() -> None:
    made = rule("exposure", by="seller", first=2, tolerance=0.2)
    before = plain([4, 3, 2, 1], seller=["x", "x", "y", "y"])
    after = made.rank(before)
    assert after.ids == [0, 2, 1, 3]
    assert made.unmet(before, after) == ""
    lost = rule("top_k", k=2).rank(before)  # as if a later rule had put it back
    assert made.unmet(before, lost) == "y has 0.00 of 0.50"


def test_quotas_that_follow_each_other_are_told_where_the_later_won() -> None:
    made = rules(
        [
            {"rule": "quota", "where": NEW, "least": 2, "first": 2},
            {"rule": "fresh", "field": "year", "at": 2000, "within": 1, "least": 1, "first": 2},
        ]
    )
    before = plain([0.9, 0.8, 0.7, 0.6], new=[1.0, 1.0, 0, 0], year=[1990, 1990, 2000, 1990])
    after = before
    for one in made:
        after = one.rank(after)
    assert after.ids == [0, 2, 1, 3]
    assert [one.unmet(before, after) for one in made] == ["1 of 2 among the first 2", ""]
