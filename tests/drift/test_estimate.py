"""Performance without labels: right where probabilities are calibrated, and marked as a guess."""

from __future__ import annotations

import numpy as np
import orjson
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from sluice.drift import Bins, estimate
from sluice.drift.estimate import scored
from tests.drift.samples import SEEDS, make_reference

SCORES = np.random.default_rng(1).beta(1.2, 4, 20_000)
BINS = make_reference({"p": SCORES}).bins["p"]


def measured(p: np.ndarray, late: np.ndarray) -> dict[str, float]:  # type: ignore[type-arg]
    return {
        "log_loss": float(log_loss(late, p)),
        "brier": float(np.mean((late - p) ** 2)),
        "accuracy": float(np.mean((p >= 0.5) == late)),
        "auc": float(roc_auc_score(late, p)),
    }


def test_scored_is_what_scikit_learn_measures() -> None:
    rng = np.random.default_rng(2)
    p = np.unique(rng.random(300))
    late = rng.random(len(p)) < p
    found = scored(p, late.astype(np.float64), (~late).astype(np.float64))
    assert {n: float(v) for n, v in found.items()} == pytest.approx(measured(p, late))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("shape", [(1.2, 4), (2, 3), (1.0, 9)])
def test_the_estimate_is_what_labels_would_show(shape: tuple[float, float], seed: int) -> None:
    rng = np.random.default_rng((seed, 3))
    p = rng.beta(*shape, 4000)
    found = estimate(BINS, BINS.count(p), level=0.999)
    assert found is not None
    assert (found.rows, found.estimated) == (4000, True)
    late = rng.random(4000) < p
    for name, value in measured(p, late).items():
        interval = found.metrics[name]
        # Cells know the scores in them only as they lay in the reference.
        assert interval.low - 0.01 < value < interval.high + 0.01, name
        assert interval.low <= interval.value <= interval.high
        assert interval.high - interval.low < 0.12


def test_the_interval_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(4)
    inside = []
    for _ in range(100):
        p = rng.choice(SCORES, 1000)
        found = estimate(BINS, BINS.count(p), level=0.9)
        assert found is not None
        value = measured(p, rng.random(1000) < p)
        inside.append([i.low <= value[n] <= i.high for n, i in found.metrics.items()])
    assert np.all(np.mean(inside, axis=0) > 0.8)
    assert np.all(np.mean(inside, axis=0) < 0.99)


def test_what_depends_is_worth_less() -> None:
    counts = BINS.count(SCORES[:2000])
    alone, together = estimate(BINS, counts), estimate(BINS, counts, inflation=25)
    assert alone is not None
    assert together is not None
    for name in ("log_loss", "brier", "auc"):
        narrow, wide = alone.metrics[name], together.metrics[name]
        assert (wide.high - wide.low) / (narrow.high - narrow.low) == pytest.approx(5, rel=0.25)


def test_scores_are_calibrated_before() -> None:
    bins = make_reference({"p": SCORES**2}).bins["p"]
    found = estimate(bins, bins.count(SCORES[:2000] ** 2), calibrate=np.sqrt)
    plain = estimate(BINS, BINS.count(SCORES[:2000]))
    assert found is not None
    assert plain is not None
    assert found.metrics["brier"].value == pytest.approx(plain.metrics["brier"].value, abs=0.01)


def test_nothing_is_estimated_of_nothing() -> None:
    nulls = np.zeros(len(BINS), np.int64)
    nulls[-1] = 7
    assert estimate(BINS, nulls) is None


def test_a_cell_that_the_reference_never_filled() -> None:
    bins = Bins.of({"type": "number", "nulls": 0.0, "quantiles": [0.2] * 50 + [0.6] * 51})
    found = estimate(bins, bins.count([0.4] * 100))
    assert found is not None
    assert found.metrics["brier"].value == pytest.approx(0.24)
    assert orjson.loads(orjson.dumps(found))["estimated"] is True
