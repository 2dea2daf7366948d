"""A ranked list: what list rules are handed, and what they give back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple, TypeVar

import numpy as np

from sluice.coded import Array
from sluice.fields import Fields
from sluice.live import Version
from sluice.rules.prefix import Least

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
        scores: Sequence[float] | Array,
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
        known: Sequence[Any] = ids
        rows = sorted(range(len(ids)), key=known.__getitem__)
        if len(set(ids)) < len(ids):
            rows = [row for at, row in enumerate(rows) if not at or ids[row] != ids[rows[at - 1]]]
        self.ids, self.rows = [ids[row] for row in rows], rows
        self.scores: Array = np.array(scores, np.float64)[rows]
        self.version, self.when = version, when
        self._values = [values[row] for row in rows]
        self.defaults = [defaults[row] for row in rows] if defaults else [{}] * len(rows)
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
        return self.once(("column", name), lambda: list(map(itemgetter(at), self._values)))

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


class Kept(NamedTuple):
    """What rules leave for those that follow them.

    Attributes:
        held: by place, the position (from 0) at which an item is pinned.
        least: what quotas promised; a rule that chooses item after item keeps to it.
        scaled: whether a rule has put the scores on a scale from 0 to 1.
    """

    held: Mapping[int, int] = {}
    least: tuple[Least, ...] = ()
    scaled: bool = False


NOTHING = Kept()


class Ranking:
    """A list of items, best first; each change makes another one.

    Attributes:
        items: all candidates, those that were dropped too.
        places: the items in the list, by place, best first.
        scores: by place [n], float64: the model's, or what a rule made of them.
        kept: what rules before left.
    """

    __slots__ = ("_order", "items", "kept", "places", "scores")

    def __init__(
        self, items: Items, places: list[int], scores: Array, kept: Kept = NOTHING
    ) -> None:
        self.items, self.places, self.scores, self.kept = items, places, scores, kept
        self._order: Array | None = None

    @classmethod
    def of(cls, items: Items) -> Ranking:
        """All items by the model's scores, ties by id."""
        return cls(items, np.argsort(-items.scores, kind="stable").tolist(), items.scores)

    @property
    def order(self) -> Array:
        """`places` as an array, which is not to be changed."""
        if self._order is None:
            self._order = np.array(self.places, np.intp)
        return self._order

    @property
    def held(self) -> Mapping[int, int]:
        """By place, the position (from 0) at which an item is pinned."""
        return self.kept.held

    @property
    def ids(self) -> list[Id]:
        """The ids of the list, best first."""
        ids = self.items.ids
        return [ids[place] for place in self.places]

    @property
    def fixed(self) -> dict[int, int]:
        """By position (from 0), the pinned item that stands there: at the end of a list that is
        too short for it."""
        return {self.places.index(place): place for place in self.held}

    def __len__(self) -> int:
        return len(self.places)

    def ordered(self, places: Sequence[int]) -> Ranking:
        """The list in another order, or a part of it; what is held stays in it, at its position."""
        held, rest = self.held, list(places)
        if all(rest[at : at + 1] == [place] for place, at in held.items()):
            return Ranking(self.items, rest, self.scores, self.kept)
        rest = [place for place in places if place not in held]
        for place in sorted(held, key=held.__getitem__):
            rest.insert(held[place], place)
        return Ranking(self.items, rest, self.scores, self.kept)

    def without(self, gone: Collection[int]) -> Ranking:
        """The list without some items, held or not."""
        if not gone:
            return self
        held, least, scaled = self.kept
        held = {place: at for place, at in held.items() if place not in gone}
        rest = [place for place in self.places if place not in gone]
        return Ranking(self.items, rest, self.scores, Kept(held, least, scaled)).ordered(rest)

    def rescored(self, scores: Array) -> Ranking:
        """The list by other scores [n], on a scale from 0 to 1; ties by id."""
        places = np.sort(self.order)
        order = places[np.argsort(-scores[places], kind="stable")]
        held, least, _ = self.kept
        return Ranking(self.items, self.places, scores, Kept(held, least, True)).ordered(
            order.tolist()
        )

    def holding(self, held: Mapping[int, int]) -> Ranking:
        """The list with items at positions (from 0) where rules that follow leave them."""
        kept = Kept({**self.kept.held, **held}, *self.kept[1:])
        return Ranking(self.items, self.places, self.scores, kept).ordered(self.places)

    def promising(self, least: Least) -> Ranking:
        """The same list; rules that choose item after item keep to `least`."""
        held, others, scaled = self.kept
        return Ranking(self.items, self.places, self.scores, Kept(held, (*others, least), scaled))
