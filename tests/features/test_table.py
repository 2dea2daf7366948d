"""The look-up of a table answers what the look-up of each record answers, to the bit."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sluice.batch.typed import REASONS
from sluice.coded import Coded
from sluice.features.definitions import Definitions
from sluice.features.embedded import EmbeddedStore
from sluice.features.ingest import Ingest
from sluice.features.lookup import Lookup
from sluice.features.materialise import materialise
from sluice.features.progress import raise_floor
from sluice.features.store import layout_of
from sluice.features.table import TableLookup
from sluice.schema import Value
from tests.features import delays
from tests.features.cases import ROOT, Looked, look_up, read

KEYS = st.sampled_from(["JFK", "LGA", "EWR", "", None])
TIMES = st.one_of(
    st.integers(0, 60).map(float),
    st.floats(0, 60),
    st.sampled_from([math.nan, math.inf, -math.inf, -0.0, 1000.0, 1060.0, 1070.0, 1e300]),
)


def columns_of(definitions: Definitions, rows: Sequence[Sequence[Value]]) -> dict[str, Any]:
    fields = definitions.record.fields
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(fields)
    return {
        f.name: Coded.of(c) if f.type == "string" else np.array(c, np.float64)
        for f, c in zip(fields, columns, strict=True)
    }


def as_rows(lookup: TableLookup, names: list[str], columns: Any, as_of: Any) -> list[Looked]:
    """What a table looked up, as the look-up by record tells it."""
    found = lookup.columns(columns, as_of)
    values = zip(*(found.values[name].tolist() for name in names), strict=True)
    why = [
        {n: REASONS[c[row]] for n, c in found.why.items() if c[row]} for row in range(len(as_of))
    ]
    ages = [
        {n: float(a[row]) for n, a in found.ages.items() if not math.isnan(a[row])}
        for row in range(len(as_of))
    ]
    return [Looked(list(v), w, a) for v, w, a in zip(values, why, ages, strict=True)]


def compare(definitions: Definitions, store: EmbeddedStore, rows: Any, times: Any) -> None:
    names = list(definitions.features)
    expected = look_up(Lookup(definitions, names, store), rows, times)
    columns = columns_of(definitions, rows)
    found = as_rows(TableLookup(definitions, names, store), names, columns, np.array(times, float))
    assert [repr(f) for f in found] == [repr(e) for e in expected]  # NaN equals NaN, −0 not 0


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Definitions, EmbeddedStore]]:
    folder = tmp_path_factory.mktemp("filled")
    definitions = read(folder)
    store = EmbeddedStore(folder / "store", ("project", "graph"))
    materialise(definitions, ROOT, store, progress=False)
    yield definitions, store
    store.close()


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["JFK", "LGA", "XXX", None]),
            st.sampled_from(["N1", "N2", "N3", None]),
            st.sampled_from([1.0, 2.0, math.nan]),
            st.just(0.0),
            st.one_of(TIMES, st.floats(900, 3000)),
        ),
        min_size=1,
        max_size=30,
    )
)
def test_tables_as_of(filled: tuple[Definitions, EmbeddedStore], asked: list[Any]) -> None:
    definitions, store = filled
    compare(definitions, store, [list(row[:4]) for row in asked], [row[4] for row in asked])


NUMBERS = st.one_of(st.none(), st.integers(-5, 60), st.floats(-1e3, 1e3), st.just(0.1))
EVENTS = st.lists(
    st.tuples(
        st.floats(0, 50).map(lambda t: round(t, 1)),
        st.sampled_from(["JFK", "LGA", None]),
        st.sampled_from([1, 2, None]),
        st.sampled_from([True, False, None]),
        NUMBERS,
        st.sampled_from(["late", "", None]),
    ),
    max_size=25,
)
ASKED = st.lists(
    st.tuples(KEYS, st.sampled_from([1.0, 2.0, 3.0, math.nan]), TIMES), min_size=1, max_size=25
)
stores = count()


@settings(
    deadline=None,
    max_examples=80,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(EVENTS, ASKED, st.sampled_from([-math.inf, 5.0, 20.0, 45.0]))
def test_aggregates_forgotten_ones_too(
    tmp_path: Path, events: list[Any], asked: list[Any], floor: float
) -> None:
    definitions = delays.declared(tmp_path)
    store = EmbeddedStore(tmp_path / f"store{next(stores)}", ("project", "graph"))
    for entity in definitions.entities:
        layout = layout_of(definitions, entity)
        store.publish(layout)
    ingest = Ingest(definitions, store)
    ingest.take(
        [
            delays.departure(f"{i}", at, origin, gate=gate, late=late, delay=delay, remark=remark)
            for i, (at, origin, gate, late, delay, remark) in enumerate(events)
        ]
    )
    for entity in ("delays", "gates") if floor > 0 else ():
        store.update(partial(raise_floor, entity, floor))
        store.trim(layout_of(definitions, entity), floor, b"", 1000)
    rows = [[origin, gate, 0.0] for origin, gate, _ in asked]
    compare(definitions, store, rows, [time for *_, time in asked])
    store.close()


def test_nothing_is_looked_up_for_no_rows(filled: tuple[Definitions, EmbeddedStore]) -> None:
    compare(*filled, [], [])
