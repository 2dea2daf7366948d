"""How well an item-item estimator ranks: on the end of each user's own history.

Rows are (history, item, label): items that are in the history, those that came last in it, and
whether the user liked them. The estimator is fitted on the histories without these items, ranks
all items that are not in what is left, and should have those with label 1 at the top. So the past
is judged by what came after it, for the same users, as a model is used.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sluice.coded import Array
from sluice.errors import DeclarationError
from sluice.tuning.measures import ndcg

AT = 10


def held_back(estimator: Any, table: Any, labels: Array) -> dict[str, float]:
    """ndcg (at 10, the mean over users with a relevant item) and ndcg_loss, 1 − ndcg.

    `estimator` is an ItemItem that is not fitted; `table` [n] has its two columns, and labels [n]
    are 0 or 1. Raises DeclarationError where no row can be judged.
    """
    histories, items = table[estimator.history].tolist(), table[estimator.item].tolist()
    last: dict[str, dict[str, Any]] = {}
    for history, item, label in zip(histories, items, labels.tolist(), strict=True):
        last.setdefault(history or "", {})[item] = label
    before = {
        history: " ".join(i for i in history.split() if i not in gone)
        for history, gone in last.items()
    }
    earlier = table.assign(**{estimator.history: [before[h or ""] for h in histories]})
    estimator.fit(earlier, labels)
    found = [
        ndcg(top(estimator, before[history]), relevant, AT)
        for history, gone in last.items()
        if (relevant := {item for item, label in gone.items() if label})
    ]
    if not found:
        problem = "no row has the label 1: nothing says how well items are ranked"
        raise DeclarationError("training", "label", problem)
    return {"ndcg": float(np.mean(found)), "ndcg_loss": float(1 - np.mean(found))}


def top(estimator: Any, history: str, k: int = AT) -> list[str]:
    """The k best items for a history that are not in it; ties by id."""
    scores = estimator.scores_.all(history).astype(np.float64)
    seen = set(history.split())
    items = estimator.items_
    scores[[place for place, item in enumerate(items) if item in seen]] = -np.inf
    return [items[place] for place in np.argsort(-scores, kind="stable")[:k].tolist()]
