"""Item-item models: what an item scores is a sum over the items in the user's history.

    score(item) = base[item] + Σ matrix[seen, item] over the history

EASE, nearest neighbours among items and popularity all have this form (training/item_item.py).
The file is a NumPy archive (.npz, no pickle) with `format`, `inputs` (the tensors of the history
and of the item), `items` [m], `base` [m] and `matrix` [m, m], both float32; numpy alone reads it.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from sluice.coded import Array
from sluice.models.manifest import Manifest
from sluice.models.model import Input, Tensors, refused

FORMAT = 1


class ItemScores:
    """The scores of items for histories.

    A history is a text of item ids with blanks between; their order means nothing, and an id that
    is not among the `items` counts for nothing. An item that is not among them scores 0.

    >>> matrix = np.array([[0, 2], [1, 0]], np.float32)
    >>> scores = ItemScores(["a", "b"], np.zeros(2, np.float32), matrix)
    >>> scores(["a", "a", None], ["b", "c", "a"]).tolist()
    [[2.0], [0.0], [0.0]]
    """

    def __init__(self, items: Sequence[str], base: Array, matrix: Array) -> None:
        self.items = list(items)
        self._places = {item: place for place, item in enumerate(self.items)}
        self._base, self._matrix = base, matrix

    def __call__(self, histories: Sequence[Any], items: Sequence[Any]) -> Array:
        """The score of each of n items for the history beside it [n, 1], float32.

        A row has the same bits alone as among many: each history's scores are summed over all
        items, in the order of their places, whichever of them are asked for.
        """
        unknown = len(self.items)
        places = np.array([self._places.get(item, unknown) for item in items], np.intp)
        rows: dict[Any, list[int]] = {}
        for row, history in enumerate(histories):
            rows.setdefault(history, []).append(row)
        answer = np.empty((len(places), 1), np.float32)
        for history, of_history in rows.items():
            answer[of_history, 0] = np.append(self.all(history), np.float32(0))[places[of_history]]
        return answer

    def all(self, history: str | None) -> Array:
        """The scores of all items for one history [m]."""
        found = (self._places.get(item) for item in set((history or "").split()))
        seen = sorted(place for place in found if place is not None)
        total: Array = self._base + np.add.reduce(self._matrix[seen], axis=0, dtype=np.float32)
        return total


class Stored(NamedTuple):
    """What a file holds."""

    inputs: tuple[str, str]
    scores: ItemScores


def write(history: str, item: str, items: Sequence[str], base: Array, matrix: Array) -> bytes:
    """The file of a model that takes the tensors `history` and `item`."""
    file = io.BytesIO()
    np.savez(
        file,
        format=np.int64(FORMAT),
        inputs=np.array([history, item]),
        items=np.array(list(items)),
        base=base.astype(np.float32),
        matrix=matrix.astype(np.float32),
    )
    return file.getvalue()


def read(data: bytes) -> Stored:
    """The content of a file. Raises ValueError for anything that `write` does not write."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as found:
            arrays = {name: found[name] for name in found.files}
        version = int(arrays["format"])
        if version != FORMAT:
            raise ValueError(f"format {version} is not read: only {FORMAT} is")
        history, item = arrays["inputs"].tolist()
        items, base, matrix = (arrays[name] for name in ("items", "base", "matrix"))
    except (zipfile.BadZipFile, OSError, EOFError, KeyError, TypeError) as error:
        raise ValueError(f"is no archive of an item-item model: {error}") from None
    m = len(items)
    if base.shape != (m,) or matrix.shape != (m, m):
        raise ValueError(f"{m} items, base {list(base.shape)}, matrix {list(matrix.shape)}")
    if not (base.dtype == matrix.dtype == np.float32):
        raise ValueError(f"base is {base.dtype} and matrix {matrix.dtype}, expected float32")
    return Stored((history, item), ItemScores(items.tolist(), base, matrix))


class ItemItemModel:
    """A stored item-item model: of a history and an item in each row, one score."""

    imports: tuple[str, ...] = ()

    def __init__(self, manifest: Manifest, data: bytes) -> None:
        try:
            (self._history, self._item), self._scores = read(data)
        except ValueError as error:
            raise refused(manifest, str(error)) from None
        self.inputs = tuple(Input(name, "object", 1) for name in (self._history, self._item))

    def predict(self, tensors: Tensors) -> Any:
        histories, items = tensors[self._history][:, 0], tensors[self._item][:, 0]
        return self._scores(histories.tolist(), items.tolist())
