"""The figures of a window beside those that scikit-learn computes; grids; cells as bytes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    log_loss,
    mean_absolute_error,
    mean_squared_error,
    roc_auc_score,
)

from sluice.windows.cell import Cell, total
from sluice.windows.grid import AGES, TIMES, LogGrid
from sluice.windows.judge import judge, put, truth_of
from sluice.windows.window import Window, merged

RNG = np.random.default_rng(8)


def window(cell: Cell, start: int = 0, version: str = "1") -> Window:
    return Window(start, start + 3600, version, "", cell)


def judged(scores: Any, truths: Any, classes: list[Any]) -> Window:
    pairs = zip(scores, truths, strict=True)
    found = [judge(np.atleast_1d(s).tolist(), truth_of(t, classes), classes) for s, t in pairs]
    cell, wrong = Cell(), judge(np.atleast_1d(scores[0]).tolist(), 0, classes)
    put(cell, [*found, wrong], 1)
    put(cell, [wrong], -1)
    return window(cell)


def test_two_classes() -> None:
    p = RNG.beta(2, 5, 4000)
    truth = (RNG.random(4000) < p).astype(int)
    found = judged(p, truth.tolist(), [0, 1])
    assert found.labels == 4000
    assert found.log_loss == pytest.approx(log_loss(truth, p), abs=1e-8)
    assert found.brier == pytest.approx(brier_score_loss(truth, p), abs=1e-8)
    assert found.accuracy == pytest.approx(accuracy_score(truth, p >= 0.5))
    assert found.auc == pytest.approx(roc_auc_score(truth, p), abs=found.auc_error)
    assert found.auc_error < 0.006
    assert found.predicted == pytest.approx(p.mean())
    assert found.observed == pytest.approx(truth.mean())
    table = found.calibration()
    assert sum(row.labels for row in table) == 4000
    for row in table:
        here = (p >= row.low) & (p < row.high)
        assert row.labels == here.sum()
        assert row.observed == pytest.approx(truth[here].mean())
        assert row.predicted == pytest.approx(p[here].mean(), abs=1 / 400)


def test_labels_of_text_and_of_truth() -> None:
    found = judged([0.9, 0.2], ["late", "on time"], ["on time", "late"])
    assert (found.accuracy, found.observed) == (1.0, 0.5)
    assert judged([0.9], [True], [False, True]).accuracy == 1.0
    with pytest.raises(ValueError, match="none of the model's classes"):
        truth_of(1, [False, True])


def test_many_classes() -> None:
    p = RNG.dirichlet([1, 2, 3], 500)
    truth = [int(RNG.choice(3, p=row)) for row in p]
    found = judged(p, [["a", "b", "c"][t] for t in truth], ["a", "b", "c"])
    assert found.log_loss == pytest.approx(log_loss(truth, p, labels=[0, 1, 2]), abs=1e-8)
    assert found.accuracy == pytest.approx(accuracy_score(truth, p.argmax(axis=1)))
    assert math.isnan(found.auc)
    assert math.isnan(found.brier)
    assert sum(row.labels for row in found.calibration(20)) == 500
    with pytest.raises(ValueError, match="there are 2 scores, expected 3"):
        judge([0.5, 0.5], 1, ["a", "b", "c"])


def test_numbers() -> None:
    truth = RNG.normal(1e5, 300, 700)
    predicted = truth + RNG.normal(20, 40, 700)
    found = judged(predicted, truth.tolist(), [])
    assert found.rmse == pytest.approx(math.sqrt(mean_squared_error(truth, predicted)))
    assert found.mae == pytest.approx(mean_absolute_error(truth, predicted))
    assert found.bias == pytest.approx((predicted - truth).mean())
    assert math.isnan(found.accuracy)
    assert math.isnan(found.log_loss)
    for label in (1e200, math.nan):
        with pytest.raises(ValueError, match="too far"):
            judge([1.0], label, [])
    for wrong in (True, "1", None):
        with pytest.raises(ValueError, match="is no number"):
            truth_of(wrong, [])


@pytest.mark.parametrize("classes", [[0, 1], []], ids=["two classes", "numbers"])
@given(data=st.data())
def test_what_a_correction_moved_can_be_taken_back(classes: list[int], data: st.DataObject) -> None:
    """To the last bit, whichever answers were moved, and whatever labels were taken away again."""
    score = st.floats(0, 1) if classes else st.floats(-1e4, 1e4)
    truth = st.integers(0, 1) if classes else st.floats(-1e4, 1e4)
    rows = data.draw(st.lists(st.tuples(score, st.none() | score, truth), min_size=1))
    wrong = judge([0.25], 1, classes, 0.75)
    served, own = Cell(), Cell()
    put(served, [*(judge([s], t, classes, m) for s, m, t in rows), wrong], 1)
    put(served, [wrong], -1)
    put(own, [judge([s if m is None else m], t, classes) for s, m, t in rows], 1)
    expected = {name: amount for name, amount in own.sums.items() if amount}
    found = window(served).unmoved()
    assert {name: amount for name, amount in found.cell.sums.items() if amount} == expected
    for figure in ("labels", "log_loss", "brier", "predicted", "rmse", "mae", "bias"):
        one, other = getattr(found, figure), getattr(window(own), figure)
        assert one == other or (math.isnan(one) and math.isnan(other))


def test_a_figure_of_nothing_is_not_a_number() -> None:
    empty = window(Cell())
    figures = [empty.latency(50), empty.auc, empty.auc_error, empty.log_loss, empty.observed]
    assert all(map(math.isnan, figures))
    assert (empty.requests, empty.labels, empty.calibration(), empty.steps) == (0, 0, [], [])
    with pytest.raises(ValueError, match="no windows to merge"):
        merged([])


@pytest.mark.parametrize("grid", [TIMES, AGES])
def test_a_percentile_is_within_a_cell(grid: LogGrid) -> None:
    values = RNG.lognormal(6, 1.5, 5000)
    counts = np.bincount(grid.place(values), minlength=len(grid))
    for percent in (1, 50, 90, 99, 99.9):
        true = float(np.percentile(values, percent, method="inverted_cdf"))
        width = 2 ** (1 / grid.per_octave)
        assert true / width <= grid.percentile(counts, percent) <= true * width


def test_what_is_beyond_a_grid_is_in_its_outer_cells() -> None:
    assert TIMES.place(np.array([0.0, -1.0, 0.3, 1e300])).tolist() == [0, 0, 0, len(TIMES) - 1]


NAMES = st.tuples(st.sampled_from(["a", "b"]), st.text(max_size=3))
CELLS = st.dictionaries(
    NAMES, st.lists(st.integers(-5, 1 << 40), min_size=2, max_size=2), max_size=4
)
SUMS = st.dictionaries(st.sampled_from(["x", "y"]), st.integers(-(1 << 90), 1 << 90))


def cell_of(counts: Any, sums: Any) -> Cell:
    cell = Cell()
    cell.counts = {name: np.array(values, np.int64) for name, values in counts.items()}
    cell.sums = dict(sums)
    return cell


def plain(cell: Cell) -> Any:
    return {n: c.tolist() for n, c in cell.counts.items()}, cell.sums


@given(CELLS, SUMS)
def test_a_cell_comes_out_of_its_bytes_as_it_went_in(counts: Any, sums: Any) -> None:
    cell = cell_of(counts, sums)
    assert plain(Cell.unpack(cell.pack())) == plain(cell)


@given(st.lists(st.tuples(CELLS, SUMS), max_size=4), st.randoms())
def test_cells_add_up_in_any_order(parts: Any, chance: Any) -> None:
    cells = [cell_of(*part) for part in parts]
    one = plain(total(cells))
    chance.shuffle(cells)
    halves = [total(cells[:2]), total(cells[2:])]
    assert plain(total(halves)) == one
