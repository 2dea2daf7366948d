"""Estimators that rank items by a user's history, kept as item-item models (numpy alone).

They are fitted on a table [n] whose column `history` is a text of item ids with blanks between,
a row per user and candidate: each distinct history counts as one user. Labels are not needed to
fit; training/ranking.py compares candidates by them.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np

from sluice.coded import Array
from sluice.models.formats.item_item import ItemScores, write


class ItemItem:
    """The base: a subclass writes `_weights` and lists its `params`.

    Args:
        history, item: the columns of the table, as the transform names its tensors.

    Attributes:
        items_: the ids that it knows [m], sorted.
        scores_: scores them.
    """

    model_format: ClassVar[Literal["item-item"]] = "item-item"
    params: ClassVar[tuple[str, ...]] = ()

    def __init__(self, history: str, item: str) -> None:
        self.history, self.item = history, item

    def __sklearn_clone__(self) -> ItemItem:
        params = {name: getattr(self, name) for name in self.params}
        return type(self)(self.history, self.item, **params)

    def fit(self, table: Any, labels: Any = None) -> ItemItem:
        """Learn from the distinct histories of a table [n]."""
        histories = [h.split() for h in dict.fromkeys(table[self.history].tolist()) if h]
        seen = {item for history in histories for item in history}
        self.items_ = sorted(seen.union(table[self.item].tolist()))
        places = {item: place for place, item in enumerate(self.items_)}
        users = np.zeros((len(histories), len(self.items_)))
        for row, history in enumerate(histories):
            users[row, [places[item] for item in history]] = 1
        base, matrix = self._weights(users)
        self._base, self._matrix = base.astype(np.float32), matrix.astype(np.float32)
        self.scores_ = ItemScores(self.items_, self._base, self._matrix)
        return self

    def _weights(self, users: Array) -> tuple[Array, Array]:
        """base [m] and matrix [m, m], from which user has which item [u, m], 0 or 1."""
        raise TypeError(f"{type(self).__name__} does not define _weights")

    def predict(self, table: Any) -> Array:
        """The score of each row's item for its history [n]."""
        return self.scores_(table[self.history].tolist(), table[self.item].tolist())[:, 0]

    def to_model(self) -> bytes:
        """The file that serving loads."""
        return write(self.history, self.item, self.items_, self._base, self._matrix)


class Ease(ItemItem):
    """EASE: a linear model of each item by all others, in closed form.

    When to use it: up to some ten thousand items; hard to beat by larger models, and fitted in
    seconds. Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019.

    Args:
        l2: how strongly weights are held small, above 0.
    """

    params = ("l2",)

    def __init__(self, history: str, item: str, l2: float = 200.0) -> None:
        super().__init__(history, item)
        self.l2 = l2

    def _weights(self, users: Array) -> tuple[Array, Array]:
        m = users.shape[1]
        inverse = np.linalg.inv(users.T @ users + self.l2 * np.eye(m))
        matrix = inverse / -np.diag(inverse)
        np.fill_diagonal(matrix, 0.0)
        return np.zeros(m), matrix


class ItemKnn(ItemItem):
    """Items by their nearest neighbours: cosine of who has them.

    When to use it: as a baseline, and where an answer must be explained by «who liked this».

    Args:
        neighbours: how many of each item count.
    """

    params = ("neighbours",)

    def __init__(self, history: str, item: str, neighbours: int = 100) -> None:
        super().__init__(history, item)
        self.neighbours = neighbours

    def _weights(self, users: Array) -> tuple[Array, Array]:
        together = users.T @ users
        length = np.sqrt(np.diag(together))
        product = np.outer(length, length)
        alike = np.divide(together, product, out=np.zeros_like(together), where=product > 0)
        np.fill_diagonal(alike, 0.0)
        if self.neighbours < len(alike):
            least = np.partition(alike, -self.neighbours, axis=0)[-self.neighbours]
            alike[alike < least] = 0.0
        return np.zeros(len(alike)), alike


class Popularity(ItemItem):
    """How many users have an item, the same for everyone. When to use it: as the floor."""

    def _weights(self, users: Array) -> tuple[Array, Array]:
        m = users.shape[1]
        return users.sum(axis=0), np.zeros((m, m))
