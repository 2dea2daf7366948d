"""What every transform does, and how a stored one is read back."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt
import orjson

from sluice.errors import SluiceError, nearest
from sluice.schema import Column, Value

if TYPE_CHECKING:
    from sluice.features.definitions import Definitions

FORMAT = 1
Tensors = dict[str, npt.NDArray[Any]]
Unknown = tuple[int, str]


class Rows(Protocol):
    """A transform bound to the order in which a graph's rows come.

    Returns the tensors for `rows` (n lists of values), and which (row, column) held a category
    that training had not seen.
    """

    def __call__(self, rows: Sequence[Sequence[Value]]) -> tuple[Tensors, list[Unknown]]: ...


class Transform:
    """The base: scikit-learn's `fit`, `transform`, `get_feature_names_out`, and a JSON form."""

    kind: ClassVar[str]

    @property
    def inputs(self) -> list[str]:
        """The columns that it reads, each once, in order."""
        raise TypeError(f"{type(self).__name__} does not define inputs")

    def fit(self, table: Mapping[str, Column]) -> Transform:
        """Learn from the training table, columns of [n]. Returns itself."""
        return self

    def transform(self, table: Mapping[str, Column]) -> Tensors:
        """The tensors [n, …] for a table, columns of [n]."""
        raise TypeError(f"{type(self).__name__} does not define transform")

    def unknown(self, table: Mapping[str, Column], tensors: Tensors) -> dict[str, Column]:
        """By column of the table, in which rows (a mask) its category had not been seen.

        `tensors` are what `transform` made of the table.
        """
        return {}

    def get_feature_names_out(self) -> npt.NDArray[np.str_]:
        """The names of the columns that the model sees, in order."""
        raise TypeError(f"{type(self).__name__} does not define get_feature_names_out")

    def bind(self, columns: Sequence[str]) -> Rows:
        """The transform for rows whose values are in the order of `columns`."""
        raise TypeError(f"{type(self).__name__} does not define bind")

    def check(self, definitions: Definitions) -> None:
        """Raise ValueError where what is declared does not fit what it makes of it."""

    def spec(self) -> dict[str, Any]:
        """The JSON-able content, without the envelope."""
        raise TypeError(f"{type(self).__name__} does not define spec")

    def to_json(self) -> bytes:
        """The stored form, the same bytes for the same transform."""
        data = {"format": FORMAT, "kind": self.kind, **self.spec()}
        return orjson.dumps(data, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2)

    @property
    def digest(self) -> str:
        """SHA-256 of the stored form: equal digests compute equal tensors."""
        return hashlib.sha256(self.to_json()).hexdigest()


_FLOAT32_WHOLE = 2.0**24  # the last whole number up to which float32 holds them all


def refuse_unless_float32(name: str, values: Column) -> None:
    """Raise SluiceError for a column [n] that float32 does not hold, such as seconds since 1970."""
    large = values[np.isfinite(values) & (np.abs(values) > _FLOAT32_WHOLE)]
    with np.errstate(over="ignore"):
        lost = large[large.astype(np.float32).astype(np.float64) != large]
    if lost.size:
        hint = "take a part of it (TimePart), a difference, or a ratio"
        raise SluiceError(f"column {name!r}: float32 does not hold {lost[0]:.15g}: {hint}")


def read_transform(data: bytes) -> Transform:
    """The transform that `to_json` wrote.

    Raises SluiceError when its format is newer, its kind unknown, or it is none at all.
    """
    from sluice.transform.columns import Columns
    from sluice.transform.exact import Exact
    from sluice.transform.inputs import Inputs
    from sluice.transform.typed import Typed

    kinds: dict[str, Any] = {kind.kind: kind for kind in (Columns, Inputs, Exact, Typed)}
    content = orjson.loads(data)
    if not isinstance(content, dict):
        raise SluiceError("is not a transform")
    if content.get("format") != FORMAT:
        raise SluiceError(f"transform format {content.get('format')} is not read: only {FORMAT} is")
    if content.get("kind") not in kinds:
        raise SluiceError(f"no transform {content.get('kind')!r}: {nearest('', kinds)}")
    transform: Transform = kinds[content["kind"]].from_spec(content)
    return transform
