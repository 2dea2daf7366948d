"""A ranked list: what list rules are handed, and what they give back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from operator import itemgetter
from typing import Any, TypeVar

import numpy as np

from sluice.coded import Array
from sluice.fields import Fields
from sluice.live import Version

Id = str | int
T = TypeVar("T")


class Items:
    """The candidates of one record [n], in the order of their ids; never changed.

    Rules speak of an item by its place in here: of two items with equal scores the one with the
    smaller place goes first, so ties are broken by id and not by how the candidates came.

    Attributes:
        ids: [n], each once, ascending.
        rows: which row of the message each is [n].
        scores: the model's [n], float64.
        defaults: by item, where a default stands in and why [n].
        when: the time of the request, seconds since the epoch.
        version: the model version that gave the scores.
    """

    __slots__ = (
        "_made", "_places", "_values", "defaults", "ids", "rows", "scores", "version", "when",
    )  # fmt: skip

    def __init__(
        self,
        ids: Sequence[Id],
        scores: Sequence[float],
        values: Sequence[Sequence[Any]],
        places: Mapping[str, int],
        *,
        version: Version,
        when: float = 0.0,
        defaults: Sequence[Mapping[str, str]] = (),
    ) -> None:
        """Candidates in any order; of two with one id the first stands.

        `values` are their rows' values [n], `places` says where in one the value of a column is.
        `defaults` say per row where a default stands in, and why; none at all: nowhere.
        """
        first = dict(zip(reversed(ids), range(len(ids) - 1, -1, -1), strict=True))
        found = sorted(first.items(), key=itemgetter(0))
        self.ids = [id for id, _ in found]
        self.rows = [row for _, row in found]
        self.scores: Array = np.array([scores[row] for row in self.rows], np.float64)
        self.version, self.when = version, when
        self._values = [values[row] for row in self.rows]
        self.defaults = [defaults[row] if defaults else {} for row in self.rows]
        self._places = places
        self._made: dict[Hashable, Any] = {}

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def columns(self) -> Collection[str]:
        """The names of the columns."""
        return self._places.keys()

    def column(self, name: str) -> list[Any]:
        """The values of a column, by place [n]."""
        at = self._places[name]
        return self.once(("column", name), lambda: [row[at] for row in self._values])

    def numbers(self, name: str) -> Array:
        """The values of a column of numbers, by place [n]; NaN where there is none."""
        return self.once(("numbers", name), lambda: np.array(self.column(name), np.float64))

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` gives for these items: made once, for all rules that want it."""
        if key not in self._made:
            self._made[key] = make()
        made: T = self._made[key]
        return made

    def fields(self, place: int) -> Mapping[str, Any]:
        """All values of one item by the names of their columns."""
        return Fields(self._places, self._values[place])


class Ranking:
    """A list of items, best first; each change makes another one.

    Attributes:
        items: all candidates, those that were dropped too.
        places: the items in the list, by place, best first.
        scores: by place [n], float64: the model's, or what a rule made of them.
        held: by place, the position (from 0) at which an item is pinned.
    """

    __slots__ = ("held", "items", "places", "scores")

    def __init__(
        self,
        items: Items,
        places: list[int],
        scores: Array,
        held: Mapping[int, int] | None = None,
    ) -> None:
        self.items, self.places, self.scores = items, places, scores
        self.held = held or {}

    @classmethod
    def of(cls, items: Items) -> Ranking:
        """All items by the model's scores, ties by id."""
        return cls(items, np.argsort(-items.scores, kind="stable").tolist(), items.scores)

    @property
    def ids(self) -> list[Id]:
        """The ids of the list, best first."""
        ids = self.items.ids
        return [ids[place] for place in self.places]

    @property
    def fixed(self) -> dict[int, int]:
        """By position (from 0), the pinned item that stands there: at the end of a list that is
        too short for it."""
        if not self.held:
            return {}
        return {at: place for at, place in enumerate(self.places) if place in self.held}

    def __len__(self) -> int:
        return len(self.places)

    def ordered(self, places: Sequence[int]) -> Ranking:
        """The list in another order, or a part of it; what is held stays in it, at its position."""
        held = self.held
        rest = [place for place in places if place not in held] if held else list(places)
        for place in sorted(held, key=held.__getitem__):
            rest.insert(held[place], place)
        return Ranking(self.items, rest, self.scores, held)

    def without(self, gone: Collection[int]) -> Ranking:
        """The list without some items, held or not."""
        if not gone:
            return self
        held = {place: at for place, at in self.held.items() if place not in gone}
        rest = [place for place in self.places if place not in gone]
        return Ranking(self.items, rest, self.scores, held).ordered(rest)

    def rescored(self, scores: Array) -> Ranking:
        """The list by other scores [n], ties by id."""
        places = np.array(sorted(self.places), np.intp)
        order = places[np.argsort(-scores[places], kind="stable")]
        return Ranking(self.items, self.places, scores, self.held).ordered(order.tolist())

    def holding(self, held: Mapping[int, int]) -> Ranking:
        """The list with items at positions (from 0) where rules that follow leave them."""
        both = {**self.held, **held}
        return Ranking(self.items, self.places, self.scores, both).ordered(self.places)
