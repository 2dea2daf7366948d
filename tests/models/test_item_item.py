"""The format of item-item models, and the estimators that write it."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest

from sluice.models.formats.item_item import read, write
from sluice.training.item_item import Ease, ItemItem, ItemKnn, Popularity

TABLE = pd.DataFrame({"h": ["a b", "a b c", "b c", ""], "i": ["c", "d", "a", "a"]})
ESTIMATORS: list[ItemItem] = [Ease("h", "i", l2=2.0), ItemKnn("h", "i", 1), Popularity("h", "i")]


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_what_is_read_scores_as_what_was_written(estimator: ItemItem) -> None:
    fitted = estimator.__sklearn_clone__().fit(TABLE)
    stored = read(fitted.to_model())
    assert stored.inputs == ("h", "i")
    assert stored.scores.items == ["a", "b", "c", "d"]
    got = stored.scores(TABLE["h"].tolist(), TABLE["i"].tolist())
    assert got[:, 0].tolist() == fitted.predict(TABLE).tolist()


def test_ease_is_its_closed_form() -> None:
    users = np.array([[1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 0]], float)
    matrix = read(Ease("h", "i", l2=2.0).fit(TABLE).to_model()).scores._matrix
    for item in range(4):  # ridge of each item by the others, which the closed form solves at once
        others = [place for place in range(4) if place != item]
        x, y = users[:, others], users[:, item]
        expected = np.linalg.solve(x.T @ x + 2.0 * np.eye(3), x.T @ y)
        assert matrix[others, item] == pytest.approx(expected, abs=1e-6)
        assert matrix[item, item] == 0


def test_the_order_of_a_history_changes_no_bit() -> None:
    random = np.random.default_rng(3)
    items = [f"i{n}" for n in range(200)]
    matrix = random.normal(size=(200, 200)).astype(np.float32)
    scores = read(write("h", "i", items, np.zeros(200), matrix)).scores
    history = random.permutation(items[:150]).tolist()
    one, other = (scores.all(" ".join(order)) for order in (history, history[::-1]))
    assert one.tolist() == other.tolist()


def test_what_is_no_item_item_model_is_refused() -> None:
    good = Popularity("h", "i").fit(TABLE).to_model()
    with pytest.raises(ValueError, match="is no archive"):
        read(good[:-40])
    with pytest.raises(ValueError, match="is no archive"):
        read(b"")
    with np.load(io.BytesIO(good)) as found:
        arrays = dict(found)
    for changed, problem in (
        ({"format": np.int64(2)}, "format 2 is not read: only 1 is"),
        ({"matrix": arrays["matrix"][:2]}, "4 items, base"),
        ({"base": arrays["base"].astype(np.float64)}, "base is float64"),
    ):
        file = io.BytesIO()
        np.savez(file, **{**arrays, **changed})
        with pytest.raises(ValueError, match=problem):
            read(file.getvalue())
