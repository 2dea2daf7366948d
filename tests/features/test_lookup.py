"""The online look-up: as of, reasons, ages, order."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from sluice.compiled import LOOKUP, compiled
from sluice.errors import DeclarationError
from sluice.features.definitions import Definitions
from sluice.features.embedded import EmbeddedStore
from sluice.features.lookup import Lookup
from sluice.features.materialise import materialise
from sluice.features.store import TIMELESS, OnlineStore, layout_of
from sluice.schema import Value
from tests.features.cases import FEATURES, ROOT, look_up, read
from tests.features.places import KINDS, fresh, place


@pytest.fixture
def definitions(tmp_path: Path) -> Definitions:
    return read(tmp_path)


@pytest.fixture(params=KINDS)
def store(
    request: pytest.FixtureRequest, definitions: Definitions, tmp_path: Path
) -> Iterator[OnlineStore]:
    with place(request.param, tmp_path / "store") as address:
        store = fresh(address)
        materialise(definitions, ROOT, store, progress=False)
        yield store
        store.close()


def row(origin: Value = "JFK", tailnum: Value = "N1", gate: float = 1.0) -> list[Value]:
    return [origin, tailnum, gate, 0.0]


def test_values_come_in_the_order_of_the_names(
    definitions: Definitions, store: OnlineStore
) -> None:
    names = ["planes.maker", "weather.temp", "planes.seats", "gates.queue", "weather.sky"]
    [found] = look_up(Lookup(definitions, names, store), [row()], [1010.0])
    ages = {"gates": 1010.0 - 500.25, "weather": 10.0}  # planes have no time
    assert found == (["BOEING", 1.5, 150.0, 2.0, "clear"], {}, ages)
    names.reverse()
    [found] = look_up(Lookup(definitions, names, store), [row()], [1010.0])
    assert found.values == ["clear", 2.0, 150.0, 1.5, "BOEING"]


def test_a_row_is_known_its_delay_after_it_happened(
    definitions: Definitions, store: OnlineStore
) -> None:
    lookup = Lookup(definitions, ["weather.sky"], store)
    moments = [1009.9, 1010.0, 1069.9, 1070.0]
    found = look_up(lookup, [row()] * 4, moments)
    assert [f.values for f in found] == [[None], ["clear"], [None], ["fog"]]
    assert found[0].defaulted == {"weather.sky": "missing"}
    assert found[2].defaulted == {"weather.sky": "stale"}
    assert [f.ages for f in found] == [{}, {"weather": 10.0}, {}, {"weather": 10.0}]


def test_each_feature_has_its_own_age_limit_and_default(
    definitions: Definitions, store: OnlineStore
) -> None:
    lookup = Lookup(definitions, ["weather.temp", "weather.sky", "weather.calm"], store)
    young, older, old, too_old = look_up(lookup, [row("LGA")] * 4, [1050.0, 1100.0, 2000.0, 2001.0])
    assert young == ([4.5, "rain", 1.0], {}, {"weather": 50.0})
    assert older == ([4.5, None, 1.0], {"weather.sky": "stale"}, {"weather": 100.0})
    assert old.values == [15.0, None, 1.0]
    assert old.defaulted == {"weather.temp": "stale", "weather.sky": "stale"}
    assert old.ages == {"weather": 1000.0}
    assert too_old.values == [15.0, None, 1.0]
    assert set(too_old.defaulted.values()) == {"stale"}
    assert too_old.ages == {}


def test_a_null_is_not_a_missing_row(definitions: Definitions, store: OnlineStore) -> None:
    names = ["weather.temp", "weather.calm", "planes.maker"]
    [found] = look_up(Lookup(definitions, names, store), [row(tailnum="N2")], [1070.0])
    assert found.values == [15.0, 0.0, "unknown"]
    assert found.defaulted == {"weather.temp": "null", "planes.maker": "null"}


@pytest.mark.parametrize("key", [row(None, "N1"), row("JFK", "N1", math.nan), row("XXX", "N1")])
def test_a_null_or_unknown_key_is_missing(
    definitions: Definitions, store: OnlineStore, key: list[Value]
) -> None:
    [found] = look_up(Lookup(definitions, ["gates.queue", "planes.seats"], store), [key], [1070.0])
    queue, seats = found.values
    assert queue != queue
    assert seats == 150.0
    assert found[1:] == ({"gates.queue": "missing"}, {})


def test_at_no_time_only_what_has_no_time_is_known(
    definitions: Definitions, store: OnlineStore
) -> None:
    lookup = Lookup(definitions, ["weather.temp", "planes.seats"], store)
    for found in look_up(lookup, [row()] * 2, [math.nan, -math.inf]):
        assert found == ([15.0, 150.0], {"weather.temp": "missing"}, {})


def test_two_features_of_an_entity_are_one_get_and_a_null_key_is_none(
    definitions: Definitions, store: OnlineStore
) -> None:
    class Counting:
        asked: ClassVar[list[int]] = []

        def __getattr__(self, name: str) -> object:
            return getattr(store, name)

        def get_many(self, keys: list[object], as_of: object) -> object:
            self.asked.append(len(keys))
            return store.get_many(keys, as_of)  # type: ignore[arg-type]

    counting = Counting()
    names = ["weather.temp", "planes.seats", "weather.sky", "planes.maker"]
    lookup = Lookup(definitions, names, counting)  # type: ignore[arg-type]
    before = look_up(lookup, [row(), row(None)], [1010.0] * 2)
    assert look_up(lookup, [row(), row(None)], [1010.0] * 2) == before
    # Both are about one hour of weather.
    assert counting.asked == ([3, 3] if store.commit() is None else [2])
    layout = layout_of(definitions, "planes")
    store.put_many(layout, [(("N1",), TIMELESS, [250.0, "AIRBUS"])])
    after = look_up(lookup, [row()], [1010.0])
    assert "AIRBUS" in after[0].values
    assert "AIRBUS" not in before[0].values


def test_compiled_or_not_the_same_is_looked_up(definitions: Definitions, tmp_path: Path) -> None:
    names = ["weather.temp", "weather.sky", "planes.seats", "planes.maker", "gates.queue"]
    with place("embedded", tmp_path / "store") as address:
        store = fresh(address)
        materialise(definitions, ROOT, store, progress=False)
        lookup = Lookup(definitions, sorted(names), store)
        if lookup._compiled is None:
            pytest.skip("installed without a C compiler")
        rows = [
            row(), row("LGA"), row(None), row(tailnum=None), row(gate=math.nan),
            row("nowhere", "none", 9.0),
        ]  # fmt: skip
        times = [0.0, 1010.0, 1070.0, math.nan, math.inf, 5000.0]
        asked = [(row, time) for row in rows for time in times]
        fields, moments = [row for row, _ in asked], [time for _, time in asked]
        found = look_up(lookup, fields, moments)
        known = lookup._known.parts
        added: list[Any] = []
        for add in (lookup._compiled, lookup._add_known):
            rows, why = [list(row) for row in fields], [dict[str, str]() for _ in fields]
            assert add(rows, moments, why, {None: known[None]}) is None
            assert rows == fields
            added.append((add(rows, moments, why, known), rows, why))
        assert str(added[0]) == str(added[1])
        assert [found.ages for found in found] == added[0][0]
        with pytest.raises(IndexError):
            lookup._compiled([[]], [0.0], [{}], known)
        for times, defaults in (([], [{}]), ([0.0], [])):
            with pytest.raises(ValueError, match="a time and defaults for each of 1 rows"):
                lookup._compiled([row()], times, defaults, known)
        store.close()


class Gone(str):
    """A text that takes away all that is known, and all that is asked, when it is looked for."""

    taken: ClassVar[list[Any]] = []

    def __hash__(self) -> int:
        for some in self.taken:
            some.clear()
        return super().__hash__()


class Unreadable:
    def __len__(self) -> int:
        raise OSError("gone")

    def __getitem__(self, _: int) -> Any:
        raise OSError("gone")


def test_whatever_is_known_or_asked_the_compiled_part_stands() -> None:
    make = compiled("looker", LOOKUP)
    if make is None:
        pytest.skip("installed without a C compiler")
    look = make((("gate", (0,), False),))
    known: dict[Any, Any] = {None: ({"a": ((1.0,), {"gate.queue": "null"}, 21.0)},)}
    rows: list[Any] = [["a"]]
    why: list[dict[str, str]] = [{}]
    assert look(rows, [0.0], why, known) == [{"gate": 21.0}]
    assert (rows, why) == ([["a", 1.0]], [{"gate.queue": "null"}])
    assert look([["b"]], [0.0], [{}], known) is None
    assert look([["a"]], [0.0], [{}], {}) is None
    for odd in ([Unreadable(), [0.0], [{}]], [[["a"]], Unreadable(), [{}]], [[["a"]], [0.0], {}]):
        with pytest.raises((OSError, TypeError), match=r"gone|not a sequence"):
            look(*odd, known)
    odd_rows: list[Any] = [([{}], [{}]), ([["a"]], [[]]), ([["a"]], [None]), ([None], [{}])]
    for rows, why in odd_rows:
        with pytest.raises((SystemError, TypeError)):
            look(rows, [0.0], why, known)
    odd_parts: list[Any] = [
        None, (), ((1.0,),), ([1.0], {}, None), ((1.0,), [], None), ((1.0,), {}), 7
    ]  # fmt: skip
    for part in odd_parts:
        with pytest.raises((SystemError, TypeError, IndexError)):
            look([["a"]], [0.0], [{}], {None: ({"a": part},)})
    odd_known: list[Any] = [7, None, (), ({"a": 1},), ([],)]
    for there in odd_known:
        with pytest.raises((SystemError, TypeError, IndexError)):
            look([["a"]], [0.0], [{}], {None: there})
    with pytest.raises((SystemError, TypeError)):
        look([["a"]], [0.0], [{}], None)
    with pytest.raises(TypeError):
        make((("gate", ("no place",), False),))([["a"]], [0.0], [{}], known)
    for plans in (None, (7,), (("gate", [0], False),), ((1, (0,), False),)):
        with pytest.raises((SystemError, TypeError)):
            make(plans)


def test_what_goes_away_while_it_is_looked_up_harms_nothing() -> None:
    make = compiled("looker", LOOKUP)
    if make is None:
        pytest.skip("installed without a C compiler")
    look = make((("gate", (0,), False), ("hour", (0, 1), True)))
    for taken in ("known", "rows", "row", "why", "times"):
        then: Any = {("b", 2.0): ((3.0,), {}, None)}
        known: dict[Any, Any] = {None: ({"b": ((1.0,), {}, 2.0)}, {}), 5.0: ({}, then)}
        rows: list[Any] = [["b", 2.0], [Gone("b"), 2.0], ["b", 2.0]]
        why: list[dict[str, str]] = [{}, {}, {}]
        times = [5.0, 5.0, 5.0]
        Gone.taken = [
            {"known": known, "rows": rows, "row": rows[1], "why": why, "times": times}[taken]
        ]
        try:
            look(rows, times, why, known)
        except (IndexError, SystemError):
            assert taken != "known"


def test_nothing_wanted_is_nothing_looked_up(definitions: Definitions, store: OnlineStore) -> None:
    assert look_up(Lookup(definitions, [], store), [row()], [0.0]) == [([], {}, {})]
    assert look_up(Lookup(definitions, ["planes.seats"], store), [], []) == []


def test_an_unknown_feature_is_refused_with_the_nearest(
    definitions: Definitions, store: OnlineStore
) -> None:
    with pytest.raises(DeclarationError, match=r"'weather\.temperature'.*mean 'weather\.temp'"):
        Lookup(definitions, ["weather.temperature"], store)


def test_an_empty_store_says_what_to_run(definitions: Definitions, tmp_path: Path) -> None:
    empty = EmbeddedStore(tmp_path / "empty", ("project", "graph"))
    with pytest.raises(
        DeclarationError, match=r"planes: the store has no rows.*sluice materialise"
    ):
        Lookup(definitions, ["planes.seats"], empty)
    empty.close()


def test_a_store_that_was_filled_otherwise_says_what_differs(
    store: OnlineStore, tmp_path: Path
) -> None:
    changed = read(tmp_path, FEATURES.replace("seats: {type: integer", "seats: {type: number"))
    differs = "features: the store has seats integer, maker string, declared are seats number"
    with pytest.raises(DeclarationError, match=differs):
        Lookup(changed, ["planes.seats"], store)
    assert Lookup(changed, ["weather.temp"], store).names == ["weather.temp"]
