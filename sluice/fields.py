"""The values of a row by the names of its fields, without a dictionary per row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sluice.compiled import compiled


class PlainView:
    """What `Fields` does, where the installation has not got it compiled (_view.h)."""

    __slots__ = ("_places", "_values")

    def __init__(self, places: Mapping[str, int], values: Sequence[Any]) -> None:
        self._places, self._values = places, values

    def __getitem__(self, name: str) -> Any:
        return self._values[self._places[name]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


if TYPE_CHECKING:
    View = PlainView
else:
    View = compiled("View") or PlainView


class Fields(View, Mapping[str, Any]):
    """A view of `values`; `places` says where the value of each field is.

    >>> dict(Fields({"carrier": 0, "distance": 1}, ["UA", 1400.0]))
    {'carrier': 'UA', 'distance': 1400.0}
    """

    __slots__ = ()
