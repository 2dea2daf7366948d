"""Ingesting: in any order and twice is as in order and once; offline equals online."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sluice.errors import DeclarationError
from sluice.features.definitions import Definitions
from sluice.features.ingest import Counts, Ingest
from sluice.features.lookup import Lookup
from sluice.features.materialise import materialise, rows_of
from sluice.features.offline import training_frame
from sluice.features.progress import Progress
from sluice.features.source import read_table
from sluice.features.store import Found, OnlineStore
from tests.features import delays
from tests.features.cases import ROOT, look_up
from tests.features.delays import LATENESS, departure, frame, history
from tests.features.places import KINDS, fresh, place

AGGREGATES = ("delays", "gates")
ORIGINS = ("JFK", "LGA", "Zürich")


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> Definitions:
    return delays.declared(tmp_path_factory.mktemp("definitions"))


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


def ingested(definitions: Definitions, store: OnlineStore, *events: Any) -> Counts:
    return Ingest(definitions, store).take(list(events))


def rows(definitions: Definitions, store: OnlineStore) -> dict[Any, list[Found]]:
    """All stored totals."""
    found: dict[Any, list[Found]] = {
        ("delays", o): history(definitions, store, "delays", (o,)) for o in ORIGINS
    }
    for origin, gate in itertools.product(ORIGINS, (1.0, 2.0)):
        found["gates", origin, gate] = history(definitions, store, "gates", (origin, gate))
    return found


def offline_rows(definitions: Definitions, events: list[Any]) -> dict[Any, list[Found]]:
    """The totals as history.totals_table has them."""
    found: dict[Any, list[Found]] = {("delays", o): [] for o in ORIGINS}
    found |= {("gates", o, g): [] for o in ORIGINS for g in (1.0, 2.0)}
    for entity in AGGREGATES:
        for key, moment, values in rows_of(read_table(definitions, entity, frame(events))):
            plain = [None if v != v else v for v in values]
            found[(entity, *key)].insert(0, (moment, plain))
    return found


QUARTERS = st.integers(0, 160).map(lambda n: n / 4)
NUMBERS = (
    st.none()
    | st.sampled_from([0.1, 0.2, 0.3, 1e-9, 1e17, -0.1, 7.0, 0.0])
    | st.floats(-1e300, 1e300)
)
EVENTS = st.lists(
    st.builds(
        dict[str, Any],
        at=QUARTERS | st.integers(0, 6).map(float),
        origin=st.sampled_from([*ORIGINS, None]),
        gate=st.sampled_from([1, 2, None]),
        late=st.sampled_from([True, False, None]),
        delay=NUMBERS,
        remark=st.none() | st.text(max_size=3),
    ),
    max_size=25,
).map(lambda told: [departure(f"e{i * 7 % 25:02}", **each) for i, each in enumerate(told)])


def when(event: dict[str, Any]) -> float:
    return float(pd.Timestamp(event["data"]["at"]).timestamp())


def shuffled(events: list[Any], data: st.DataObject) -> list[Any]:
    """Each event twice, in an order in which none is late."""
    waits = data.draw(
        st.lists(st.integers(0, 40), min_size=2 * len(events), max_size=2 * len(events))
    )
    arrivals = [when(e) + w / 4 for e, w in zip(events * 2, waits, strict=True)]
    order = sorted(range(len(arrivals)), key=arrivals.__getitem__)
    return [(events * 2)[i] for i in order]


def in_batches(events: list[Any], data: st.DataObject) -> Iterator[list[Any]]:
    while events:
        size = data.draw(st.integers(1, len(events)))
        yield events[:size]
        events = events[size:]


@given(events=EVENTS, data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_shuffled_and_twice_is_in_order_and_once(
    definitions: Definitions, folder: str, events: list[Any], data: st.DataObject
) -> None:
    ordered, store = fresh(folder), fresh(folder)
    assert ingested(definitions, ordered, *sorted(events, key=when)) == (len(events), 0, 0, [])
    ingest = Ingest(definitions, store)
    counts = [ingest.take(batch) for batch in in_batches(shuffled(events, data), data)]
    assert sum(c.accepted for c in counts) == sum(c.duplicates for c in counts) == len(events)
    assert (
        rows(definitions, store) == rows(definitions, ordered) == offline_rows(definitions, events)
    )
    ordered.close()
    store.close()


REQUESTS = st.lists(
    st.tuples(st.sampled_from([*ORIGINS, None, "SFO"]), st.sampled_from([1, 2, 3, None]),
              QUARTERS | st.floats(-5, 80) | st.just(math.nan)),
    min_size=1, max_size=10,
)  # fmt: skip


@given(events=EVENTS, asked=REQUESTS, data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_offline_and_online_aggregates_are_the_same_to_the_bit(
    definitions: Definitions,
    folder: str,
    events: list[Any],
    asked: list[Any],
    data: st.DataObject,
) -> None:
    names = [n for n in definitions.features if not n.startswith("weather")]
    store = fresh(folder)
    ingest = Ingest(definitions, store)
    ingest.take([departure("first", 0.0, "SFO")])
    for batch in in_batches(shuffled(events, data), data):
        ingest.take(batch)
    columns = definitions.record.table(
        {"origin": [o for o, _, _ in asked], "gate": [g for _, g, _ in asked]}, len(asked)
    )
    moments = [moment for _, _, moment in asked]
    known = frame([*events, departure("first", 0.0, "SFO")])
    table = training_frame(
        definitions, columns, np.array(moments), dict.fromkeys(AGGREGATES, known), names
    )
    fields: list[Any] = list(
        zip(*(columns[n].tolist() for n in definitions.record.names), strict=True)
    )
    served = [f.values for f in look_up(Lookup(definitions, names, store), fields, moments)]
    store.close()
    for name, online in zip(names, zip(*served, strict=True), strict=True):
        assert list(map(repr, table[name].tolist())) == list(map(repr, online)), name


def test_later_than_allowed_is_counted_and_not_applied(
    definitions: Definitions, store: OnlineStore
) -> None:
    on_time = [departure("a", 100.0), departure("b", 100.0 - LATENESS)]
    assert ingested(definitions, store, *on_time) == (2, 0, 0, [])
    before = rows(definitions, store)
    counts = ingested(definitions, store, departure("c", 99.75 - LATENESS), departure("d", 0.0))
    assert counts == (0, 0, 2, [])
    assert rows(definitions, store) == before
    assert Ingest(definitions, store).progress()["departure"] == Progress(100.0, 2, 0, 2, 0)


def test_an_event_may_be_late_for_its_own_batch(
    definitions: Definitions, store: OnlineStore
) -> None:
    counts = ingested(definitions, store, departure("a", 100.0), departure("b", 80.0))
    assert counts == (1, 0, 1, [])


def test_ids_are_forgotten_when_only_late_events_could_have_them(
    definitions: Definitions, store: OnlineStore
) -> None:
    ingest = Ingest(definitions, store)
    for second in range(0, 2000, 100):
        ingest.take([departure(f"{second}.{n}", second + n / 10) for n in range(20)])
    names = store.update(lambda rows: rows.states(b"i", b"j", 10_000))
    assert len(names) == 20


@pytest.mark.parametrize(
    ("event", "error"),
    [
        ("departure", "expected an object with type, id and data, found 'departure'"),
        ({"type": "departur", "id": "a"}, "type: no events are called 'departur'; did you mean 'd"),
        ({"id": "a"}, "type: is missing; allowed: departure, weather"),
        ({"type": "departure", "data": {}}, "id: is missing; expected a text that no other event"),
        ({"type": "departure", "id": "\ud800"}, "id: is '\\ud800'; expected a text"),
        ({"type": "departure", "id": 7}, "departure 7: expected an object with fields, found None"),
        ({"type": "departure", "id": "a", "data": {}}, "departure a: at: is missing; expected a t"),
        (departure("a", 1.0, late="yes"), "a: late: expected true or false, found 'yes'"),
        (departure("a", 1.0, gate=1.5), "departure a: gate: expected a whole number, found 1.5"),
        (departure("a", 1.0, delay=math.inf), "delay: expected a finite number"),
        (departure("a", 8e9), "departure a: happened over a day from now, at 8000000000 s"),
        ({"type": "weather", "id": "a", "data": {"hour": "1970-01-01T00:00:00Z"}},
         "weather a: station: is missing; expected text"),
    ],
)  # fmt: skip
def test_a_bad_event_fails_alone_and_is_reported(
    definitions: Definitions, store: OnlineStore, event: Any, error: str
) -> None:
    good = departure("good", 5.0)
    counts = ingested(definitions, store, good, event, {**good, "id": "other"})
    assert (counts.accepted, len(counts.refused)) == (2, 1)
    assert counts.refused[0].index == 1
    assert error in counts.refused[0].error
    assert sum(p.refused for p in Ingest(definitions, store).progress().values()) == 1


def test_a_row_of_a_table_is_put_by_key_and_time(
    definitions: Definitions, store: OnlineStore
) -> None:
    def observed(id: str, hour: str, **values: Any) -> dict[str, Any]:
        time = f"1970-01-01T{hour}:00:00Z"
        return {"type": "weather", "id": id, "data": {"station": "JFK", "hour": time, **values}}

    first, second = observed("a", "01", temp=1.5, sky="fog"), observed("b", "02", temp=2)
    corrected = observed("c", "01", temp=1.25)
    counts = ingested(definitions, store, second, first, second, corrected)
    assert counts == (4, 0, 0, [])
    found = history(definitions, store, "weather", ("JFK",))
    assert found == [(7200.0, [2.0, None]), (3600.0, [1.25, None])]
    [looked] = look_up(Lookup(definitions, ["weather.temp"], store), [["JFK", 1.0, 0.0]], [4000.0])
    assert looked.values == [1.25]


def test_another_layout_in_the_store_is_refused_and_nothing_is_written(
    definitions: Definitions, store: OnlineStore, tmp_path: Path
) -> None:
    other = delays.declared(tmp_path, delays.FEATURES.replace("of: remark,", "of: origin,"))
    ingested(other, store, departure("a", 1.0))
    with pytest.raises(DeclarationError, match=r"entities\.delays: features: the store has .*run"):
        ingested(definitions, store, departure("b", 2.0))
    assert Ingest(definitions, store).progress()["departure"].accepted == 1


def test_two_graphs_do_not_share_ids_or_watermarks(definitions: Definitions, folder: str) -> None:
    one, two = fresh(folder), fresh(folder)
    assert ingested(definitions, one, departure("a", 1000.0)).accepted == 1
    assert ingested(definitions, two, departure("a", 1.0)).accepted == 1
    one.close()
    two.close()


def test_what_was_ingested_after_the_source_stands_on_its_totals(
    definitions: Definitions, store: OnlineStore
) -> None:
    first, second, third = (departure(f"{t}", t, delay=0.1) for t in (1.0, 5.0, 6.0))
    stray = departure("stray", 0.5)  # the source knows better
    ingested(definitions, store, second, third, stray)
    delays.TOLD[:] = [first]
    materialise(definitions, ROOT, store, entities=["gates"], progress=False)
    assert rows(definitions, store) == offline_rows(definitions, [first, second, third])
    assert ingested(definitions, store, first, second, third) == (0, 3, 0, [])


@given(events=EVENTS, data=st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_materialise_and_ingest_meet_wherever_the_source_ends(
    definitions: Definitions, folder: str, events: list[Any], data: st.DataObject
) -> None:
    """The source has all events up to a moment; ingest has had any of them, and all later ones."""
    store = fresh(folder)
    ingest, arriving = Ingest(definitions, store), shuffled(events, data)
    before = data.draw(st.integers(0, len(arriving)))
    ingest.take(arriving[:before])
    end = data.draw(QUARTERS)
    delays.TOLD[:] = [e for e in events if when(e) <= end]
    materialise(definitions, ROOT, store, entities=["gates"], progress=False)
    ingest.take(arriving)
    assert rows(definitions, store) == offline_rows(definitions, events)
    store.close()
