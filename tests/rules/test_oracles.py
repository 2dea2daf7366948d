"""The rules give what their sources say they give."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sluice.rules.decay import SHAPES
from sluice.rules.exposure import exposures, shares
from sluice.rules.fair import adjusted_table, fail_probability, table
from sluice.rules.measure import diversity
from sluice.rules.mmr import select
from sluice.rules.threshold import cheapest
from sluice.rules.vectors import Vectors
from tests.rules.lists import plain, rule


def test_mmr_of_two_alike_and_one_unlike() -> None:
    found = Vectors.of(np.array([[1, 0], [0.99, 0.14], [0, 1]]))
    chosen, values = select(found, np.array([1, 0.9, 0.5]), 2, 0.5)
    assert chosen == [0, 2]
    assert values == [0.5, 0.25]


@pytest.mark.parametrize("diversity", [0.0, 0.1, 0.3, 0.5, 0.9])
def test_mmr_chooses_as_pyversity(diversity: float) -> None:
    from pyversity.strategies import mmr

    chance = np.random.default_rng(3)
    for _ in range(20):
        vectors, scores = chance.random((40, 7)), chance.random(40)
        theirs = mmr(vectors, scores, 10, diversity)
        chosen, values = select(Vectors.of(vectors), scores, 10, diversity)
        assert chosen == theirs.indices.tolist()
        assert values == pytest.approx(theirs.selection_scores.tolist(), abs=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("scale", "decay"), [(10.0, 0.5), (3.0, 0.2)])
def test_decay_is_one_at_the_offset_and_decay_at_the_scale(
    shape: str, scale: float, decay: float
) -> None:
    value = SHAPES[shape]
    assert value(np.array([0.0]), scale, decay)[0] == 1.0
    assert value(np.array([scale]), scale, decay)[0] == pytest.approx(decay, abs=1e-12)


def test_decay_as_elasticsearch_defines_it() -> None:
    x, scale, decay = np.array([0.5, 2.0, 7.0]), 5.0, 0.3
    rate = math.log(decay) / scale
    assert SHAPES["exp"](x, scale, decay) == pytest.approx(np.exp(rate * x))
    variance = -(scale**2) / (2 * math.log(decay))
    assert SHAPES["gauss"](x, scale, decay) == pytest.approx(np.exp(-(x**2) / (2 * variance)))
    reach = scale / (1 - decay)
    assert SHAPES["linear"](x, scale, decay) == pytest.approx(np.maximum(0, (reach - x) / reach))


def test_decay_within_the_offset_is_one() -> None:
    made = rule("decay", field="year", at=2000, scale=10, offset=5, decay=0.5)
    years = [2000, 1995, 2005, 1985, 2015, math.nan]
    after = made.rank(plain([1.0] * 6, year=years))
    assert after.scores.tolist() == pytest.approx([1, 1, 1, 0.5, 0.5, 0])


def test_fair_tables_of_the_authors() -> None:
    unadjusted = table(20, 0.25, 0.1)
    assert [unadjusted.count(m) for m in range(4)] == [8, 6, 5, 1]
    adjusted = adjusted_table(20, 0.25, 0.1)
    assert [adjusted.count(m) for m in range(4)] == [8, 7, 5, 0]
    assert fail_probability(adjusted, 0.25) == pytest.approx(0.10515247355215251, abs=1e-15)
    assert fail_probability(adjusted_table(10, 0.2, 0.15), 0.2) == pytest.approx(0.134217728)


def test_the_authors_fail_probability_leaves_the_last_position_out() -> None:
    """docs/decisions.md: what they print for 20 positions is that of the first 19."""
    unadjusted = table(20, 0.25, 0.1)
    first_19 = fail_probability(unadjusted[:19], 0.25)
    assert first_19 == pytest.approx(0.11517506930977106, abs=1e-15)
    draws = np.random.default_rng(5).random((200_000, 20)) < 0.25
    failed = (draws.cumsum(axis=1) < np.array(unadjusted)).any(axis=1).mean()
    assert fail_probability(unadjusted, 0.25) == pytest.approx(failed, abs=0.003)


def test_exposure_of_ranks() -> None:
    seen = exposures(6)
    assert sum(seen[:3]) / 3 == pytest.approx(0.7103, abs=5e-5)
    assert sum(seen[3:]) / 3 == pytest.approx(0.3912, abs=5e-5)
    found = shares(["a", "a", "a", "b", "b", "b"])
    assert found["a"] / found["b"] == pytest.approx(0.7103 / 0.3912, abs=1e-3)


def test_diversity_is_the_mean_over_pairs() -> None:
    vectors = Vectors.of(np.array([[1.0, 0], [0, 1.0], [1.0, 0]]))
    assert diversity(vectors, [[0, 1, 2], [1], [2, 0]]) == pytest.approx([2 / 3, 0, 0])


def test_the_cheapest_threshold() -> None:
    assert cheapest({"miss": 9, "false_alarm": 1}) == pytest.approx(0.1)
    chance = np.random.default_rng(1)
    p = chance.random(20_000)
    late = chance.random(20_000) < p
    costs = [np.where(late, 3.0 * (p < t), 2.0 * (p >= t)).mean() for t in np.arange(0, 1, 0.05)]
    assert np.argmin(costs) * 0.05 == pytest.approx(
        cheapest({"miss": 3, "false_alarm": 2}), abs=0.051
    )
