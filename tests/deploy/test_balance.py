"""Shares of traffic are exact."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from sluice.deploy.balance import Balance

WEIGHTS = st.dictionaries(st.sampled_from("abcd"), st.integers(0, 100), min_size=1)


@given(WEIGHTS, st.integers(1, 3))
def test_each_has_its_share_of_a_whole_round(weights: dict[str, int], rounds: int) -> None:
    balance, total = Balance(weights), sum(weights.values())
    seen = Counter(name for _ in range(rounds * total) for name in balance.order(set("abcd"))[:1])
    assert seen == Counter({n: rounds * w for n, w in weights.items() if w})


@given(WEIGHTS, st.sets(st.sampled_from("abcd")))
def test_only_who_is_there_and_has_a_share_is_chosen(weights: dict[str, int], up: set[str]) -> None:
    assert set(Balance(weights).order(up)) == {n for n in up if weights.get(n)}


def test_one_that_was_away_does_not_catch_up() -> None:
    balance = Balance({"1": 50, "2": 50})
    for _ in range(100):
        assert balance.order({"1"}) == ["1"]
    assert Counter(balance.order({"1", "2"})[0] for _ in range(10)) == {"1": 5, "2": 5}
