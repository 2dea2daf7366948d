"""Retention: what goes, what stays, and that the answers stay the same."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sluice.errors import DeclarationError
from sluice.features.compact import compact
from sluice.features.definitions import Definitions
from sluice.features.ingest import Ingest
from sluice.features.lookup import Lookup
from sluice.features.progress import forget_floor, raise_floor, read_floor
from sluice.features.store import OnlineStore
from tests.features import delays
from tests.features.cases import Looked, look_up
from tests.features.delays import departure, history
from tests.features.places import KINDS, fresh, place

ORIGINS = ("JFK", "LGA", "EWR")
KEPT = delays.FEATURES.replace("lateness: 10s", "lateness: 10s\n    retention: 20s").replace(
    "timestamp: hour", "timestamp: hour\n    retention: 20s"
)


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> Definitions:
    return delays.declared(tmp_path_factory.mktemp("all"))


@pytest.fixture(scope="module")
def retained(tmp_path_factory: pytest.TempPathFactory) -> Definitions:
    return delays.declared(tmp_path_factory.mktemp("retained"), KEPT)


@pytest.fixture(scope="module", params=KINDS)
def folder(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    with place(request.param, tmp_path_factory.mktemp("store")) as address:
        yield address


@pytest.fixture
def store(folder: str) -> Iterator[OnlineStore]:
    store = fresh(folder)
    yield store
    store.close()


def observed(id: str, at: float, origin: str = "JFK") -> dict[str, Any]:
    time = departure(id, at)["data"]["at"]
    return {"type": "weather", "id": id, "data": {"station": origin, "hour": time, "temp": at}}


def departures(n: int, step: float = 0.25) -> list[dict[str, Any]]:
    return [departure(f"{i}", i * step, ORIGINS[i % 3], delay=i / 10) for i in range(n)]


def answers(definitions: Definitions, store: OnlineStore, since: float) -> list[Looked]:
    """What is looked up of every key as of many moments from `since` on."""
    moments = [since + n / 4 for n in range(400)]
    asked: list[Any] = [[o, g, 0.0] for o in ORIGINS for g in (1.0, 2.0)]
    lookup = Lookup(definitions, list(definitions.features), store)
    return [found for row in asked for found in look_up(lookup, [row] * len(moments), moments)]


def fill(definitions: Definitions, store: OnlineStore, events: list[Any], **options: Any) -> None:
    told = [observed("first", 0.0), *events]
    assert not Ingest(definitions, store, **options).take(told).refused


def test_answers_from_the_cut_on_stay_the_same(
    definitions: Definitions, retained: Definitions, store: OnlineStore
) -> None:
    fill(definitions, store, [*departures(400), *(observed(f"{i}", i) for i in range(100))])
    end = 399 / 4
    before = answers(definitions, store, end - 20.0)
    rows = len(history(definitions, store, "delays", ("JFK",)))
    done = compact(retained, store, progress=False)
    assert done.rows > 500
    assert answers(definitions, store, end - 20.0) == before
    kept = history(definitions, store, "delays", ("JFK",))
    assert len(kept) < rows / 2
    assert kept[-1][0] <= end - 20.0 - 7.0 < kept[-2][0]  # the longest window is 7 s
    assert compact(retained, store, progress=False).rows == 0


def test_nothing_goes_that_is_not_declared_to(definitions: Definitions, store: OnlineStore) -> None:
    fill(definitions, store, departures(100))
    assert compact(definitions, store, progress=False)[:2] == (0, 0)


def test_an_age_may_be_given_in_place_of_the_declared_one(
    definitions: Definitions, store: OnlineStore
) -> None:
    fill(definitions, store, departures(400))
    end = 399 / 4
    before = answers(definitions, store, end - 50.0)
    assert compact(definitions, store, older_than=50.0, progress=False).rows > 100
    assert answers(definitions, store, end - 50.0) == before


@pytest.mark.parametrize("share", [0.8, 0.5, 0.3])
def test_the_oldest_go_until_the_size_is_kept(
    definitions: Definitions, store: OnlineStore, share: float
) -> None:
    fill(definitions, store, [departure(f"{i}", i * 60.0, ORIGINS[i % 3]) for i in range(600)])
    size = compact(definitions, store, to_bytes=10**9, progress=False).left
    assert size is not None
    names = list(definitions.features)
    moments = [i * 60.0 for i in range(600)]
    rows: list[Any] = [["JFK", 1.0, 0.0]] * len(moments)
    before = look_up(Lookup(definitions, names, store), rows, moments)
    done = compact(definitions, store, to_bytes=int(size * share), progress=False)
    assert done.left is not None
    assert size * (share - 0.05) <= done.left <= size * share
    after = look_up(Lookup(definitions, names, store), rows, moments)
    kept = [i for i, moment in enumerate(moments) if moment >= done.since]
    assert [before[i] for i in kept] == [after[i] for i in kept]
    assert len(kept) > 150


def test_what_must_stay_may_be_more_than_the_size(
    definitions: Definitions, store: OnlineStore
) -> None:
    fill(definitions, store, departures(400))
    end = 399 / 4
    before = answers(definitions, store, end)
    done = compact(definitions, store, to_bytes=0, progress=False)
    assert done.left is not None
    assert done.left > 0
    assert answers(definitions, store, end) == before
    late = departure("last", end - 10.0, "JFK", remark="late")
    assert Ingest(definitions, store).take([late]).accepted == 1
    ever = [found[1][0] for found in history(definitions, store, "delays", ("JFK",))]
    assert ever[0] == 135.0
    assert ever == [135.0 - n for n in range(len(ever))]


def test_ingesting_deletes_now_and_then(retained: Definitions, store: OnlineStore) -> None:
    ingest = Ingest(retained, store, tidy=10)
    longest = 0
    for at in range(0, 4000, 20):
        ingest.take([departure(f"{at}.{i}", at / 4 + i / 4, ORIGINS[i % 3]) for i in range(20)])
        longest = max(longest, len(history(retained, store, "delays", ("JFK",))))
    assert longest < 100


EVENTS = st.lists(
    st.tuples(st.integers(0, 400).map(lambda n: n / 4), st.sampled_from(ORIGINS)), max_size=40
)


@given(told=EVENTS, data=st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whenever_rows_go_the_answers_of_what_is_kept_are_those_of_all(
    definitions: Definitions, retained: Definitions, folder: str, told: list[Any],
    data: st.DataObject,
) -> None:  # fmt: skip
    events = [departure(f"{i}", at, o, delay=0.1 * i) for i, (at, o) in enumerate(sorted(told))]
    whole, trimmed = fresh(folder), fresh(folder)
    fill(definitions, whole, [departure("first", 0.0, "SFO"), *events])
    fill(definitions, trimmed, [departure("first", 0.0, "SFO")])
    while events:
        size = data.draw(st.integers(1, len(events)))
        fill(retained, trimmed, events[:size], tidy=data.draw(st.integers(1, 5)))
        compact(retained, trimmed, progress=False)
        events = events[size:]
    names = [n for n in definitions.features if not n.startswith("weather")]
    since = max([at for at, _ in told], default=0.0) - 20.0
    moments = [since + n / 4 for n in range(0, 120, data.draw(st.integers(1, 7)))]
    for origin in ORIGINS:
        asked: list[Any] = [[origin, 1.0, math.nan]] * len(moments)
        one, two = (
            look_up(Lookup(definitions, names, s), asked, moments) for s in (whole, trimmed)
        )
        assert one == two
    whole.close()
    trimmed.close()


@given(told=EVENTS, data=st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_not_kept_is_the_same_or_takes_its_default_and_says_so(
    definitions: Definitions, retained: Definitions, folder: str, told: list[Any],
    data: st.DataObject,
) -> None:  # fmt: skip
    events = [departure(f"{i}", at, o, delay=0.1 * i) for i, (at, o) in enumerate(sorted(told))]
    whole, trimmed = fresh(folder), fresh(folder)
    for store in (whole, trimmed):
        fill(definitions, store, [departure("first", 0.0, "SFO"), *events])
    compact(retained, trimmed, progress=False)
    names = [n for n in definitions.features if not n.startswith("weather")]
    moments = [n / 4 for n in range(0, 480, data.draw(st.integers(3, 17)))]
    for origin in ORIGINS:
        asked: list[Any] = [[origin, 1.0, math.nan]] * len(moments)
        one, two = (
            look_up(Lookup(definitions, names, s), asked, moments) for s in (whole, trimmed)
        )
        for kept, left in zip(one, two, strict=True):
            for name, before, after in zip(names, kept.values, left.values, strict=True):
                told_why = left.defaulted.get(name) in ("forgotten", "missing")
                assert told_why or str(before) == str(after), name
    whole.close()
    trimmed.close()


def test_where_rows_begin_is_read_once_for_all_records(
    definitions: Definitions, store: OnlineStore
) -> None:
    fill(definitions, store, departures(40))
    names = [n for n in definitions.features if n.startswith("delays.")]
    counting = Counting(store)
    found = look_up(Lookup(definitions, names, counting), [["JFK", 1.0, 0.0]] * 5, [3.0] * 5)
    assert all(looked == found[0] for looked in found)
    assert counting.states == 1


class Counting:
    """A store that counts how often a state is read."""

    def __init__(self, store: OnlineStore) -> None:
        self._store, self.states = store, 0

    def state(self, name: bytes) -> bytes | None:
        self.states += 1
        return self._store.state(name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def test_materialising_brings_back_what_was_forgotten(
    definitions: Definitions, folder: str
) -> None:
    store = fresh(folder)
    store.update(partial(raise_floor, "origin_delays", 7.0))
    assert read_floor(store, "origin_delays") == 7.0
    store.update(partial(raise_floor, "origin_delays", 5.0))
    assert read_floor(store, "origin_delays") == 7.0
    store.update(partial(forget_floor, "origin_delays"))
    assert read_floor(store, "origin_delays") == -math.inf
    store.close()


def test_retention_is_declared_of_events_not_of_what_is_over_them(tmp_path: Path) -> None:
    wrong = delays.FEATURES.replace(
        "keys: {origin: origin}\n", "keys: {origin: origin}\n    retention: 1d\n", 1
    )
    with pytest.raises(DeclarationError, match=r"entities\.delays\.retention: unknown field"):
        delays.declared(tmp_path, wrong)
