"""Training frames: point in time, and equal to what is served, value by value."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sluice.errors import DeclarationError, GateFailed
from sluice.features.definitions import Definitions, require
from sluice.features.embedded import EmbeddedStore
from sluice.features.lookup import Lookup
from sluice.features.materialise import rows_of
from sluice.features.offline import refuse_later, training_frame
from sluice.features.source import read_table
from sluice.features.store import layout_of
from tests.features.cases import look_up, read, sources, weather


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> Definitions:
    return read(tmp_path_factory.mktemp("definitions"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("store")
    keeper = EmbeddedStore(path, ("project", "keeps the files open"))
    yield path
    keeper.close()


def records(definitions: Definitions, asked: list[tuple[Any, Any, Any]]) -> dict[str, Any]:
    columns = dict(zip(("origin", "tailnum", "gate"), zip(*asked, strict=True), strict=True))
    return definitions.record.table(columns, len(asked))


def test_each_record_sees_what_was_known_at_its_moment(definitions: Definitions) -> None:
    asked = records(definitions, [("JFK", "N1", 1), ("JFK", "N2", 1), ("LGA", None, 2)])
    frame = training_frame(
        definitions, pd.DataFrame(asked, index=[7, 8, 9]), np.array([1010.0, 1070.0, 1050.0]),
        sources(), ["planes.seats", "weather.sky", "weather.temp", "gates.queue", "planes.maker"],
    )  # fmt: skip
    assert list(frame.columns[:4]) == definitions.record.names
    assert list(frame.index) == [7, 8, 9]
    assert frame["planes.seats"].tolist() == [150.0, 200.0, 100.0]
    assert frame["planes.maker"].tolist() == ["BOEING", "unknown", "unknown"]
    assert frame["weather.sky"].tolist() == ["clear", "fog", "rain"]
    assert frame["weather.temp"].tolist() == [1.5, 15.0, 4.5]
    assert frame["gates.queue"].tolist()[:2] == [2.0, 2.0]
    assert math.isnan(frame["gates.queue"].iloc[2])


def test_a_row_that_is_known_only_later_is_never_joined(definitions: Definitions) -> None:
    moments = np.arange(995.0, 1300.0, 0.5)
    asked = records(definitions, [("JFK", "N1", 1)] * len(moments))
    honest = training_frame(definitions, asked, moments, sources(), ["weather.temp"])
    planted = weather()
    later = pd.to_datetime([1291, 1299, 1400], unit="s", utc=True)
    leak = pd.DataFrame({"station": "JFK", "hour": later, "temp": 666.0, "sky": "", "calm": True})
    planted = pd.concat([leak, planted], ignore_index=True)
    planted["calm"] = planted["calm"].astype("boolean")
    given = {**sources(), "weather": planted}
    frame = training_frame(definitions, asked, moments, given, ["weather.temp"])
    pd.testing.assert_frame_equal(frame, honest)
    assert 666.0 not in frame["weather.temp"].tolist()


def test_a_column_that_no_request_has_is_refused_by_name(definitions: Definitions) -> None:
    with pytest.raises(DeclarationError, match=r"transform: unknown column 'arr_delay'.*known at"):
        require(definitions, ["origin", "weather.temp", "arr_delay"], "transform")
    asked = records(definitions, [("JFK", "N1", 1)])
    with pytest.raises(DeclarationError, match=r"no feature 'weather\.measured_by'"):
        training_frame(definitions, asked, np.zeros(1), sources(), ["weather.measured_by"])


def test_a_join_into_the_future_is_caught() -> None:
    refuse_later("weather", np.array([1.0, 2.0]), np.array([1.0, 2.0]))
    with pytest.raises(GateFailed, match="1 rows of weather were joined before they were known"):
        refuse_later("weather", np.array([1.0, 2.5]), np.array([1.0, 2.0]))


def test_a_source_that_was_not_given_is_named(definitions: Definitions) -> None:
    asked = records(definitions, [("JFK", "N1", 1)])
    with pytest.raises(DeclarationError, match=r"entities\.planes: no source was given"):
        training_frame(definitions, asked, np.zeros(1), {}, ["planes.seats"])


KEYS = st.sampled_from(["JFK", "LGA", "Zürich", "", "a\0", "🛫"])
SECONDS = st.integers(0, 300).map(float) | st.floats(-200, 400) | st.sampled_from([0.1, 0.3])
NUMBERS = st.none() | st.floats(width=64) | st.integers(-(2**60), 2**60)
TEXTS = st.none() | st.text(max_size=4)
BOOLEANS = st.none() | st.booleans()
MOMENTS = SECONDS | st.sampled_from([math.nan, math.inf, -math.inf])


def table(columns: str, *values: Any) -> st.SearchStrategy[pd.DataFrame]:
    """Tables of these columns; the first ones, marked with *, are together unique."""
    names = [name.strip("*") for name in columns.split()]
    unique = columns.count("*")
    rows = st.lists(st.tuples(*values), unique_by=lambda r: r[:unique], max_size=12)
    return rows.map(lambda r: pd.DataFrame(r, columns=names, dtype=object))


GRAPHS = count()
TABLES = st.fixed_dictionaries(
    {
        "weather": table("*station *hour temp sky calm", KEYS, SECONDS, NUMBERS, TEXTS, BOOLEANS),
        "planes": table("*tailnum seats maker", KEYS, st.none() | st.integers(-9, 9), TEXTS),
        "gates": table("*airport *number *since queue", KEYS, st.integers(-1, 1), SECONDS, NUMBERS),
    }
)
RECORDS = st.tuples(st.none() | KEYS, st.none() | KEYS, st.none() | st.integers(-1, 1))


@given(
    tables=TABLES,
    asked=st.lists(st.tuples(RECORDS, MOMENTS), min_size=1, max_size=8),
    data=st.data(),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_offline_and_online_answers_are_the_same_to_the_bit(
    definitions: Definitions,
    folder: Path,
    tables: dict[str, pd.DataFrame],
    asked: list[Any],
    data: st.DataObject,
) -> None:
    names = data.draw(st.permutations(list(definitions.features)))
    columns = records(definitions, [record for record, _ in asked])
    moments = [moment for _, moment in asked]
    frame = training_frame(definitions, columns, np.array(moments), tables, names)

    store = EmbeddedStore(folder, ("project", f"graph{next(GRAPHS)}"))
    for entity, given_table in tables.items():
        layout = layout_of(definitions, entity)
        store.put_many(layout, rows_of(read_table(definitions, entity, given_table)))
        store.publish(layout)
    rows = list(zip(*(columns[n].tolist() for n in definitions.record.names), strict=True))
    served = [found.values for found in look_up(Lookup(definitions, names, store), rows, moments)]
    store.close()
    for name, online in zip(names, zip(*served, strict=True), strict=True):
        assert list(map(bits, frame[name].tolist())) == list(map(bits, online)), name


def bits(value: Any) -> Any:
    """What tells two values apart, NaN from NaN not."""
    return value.hex() if isinstance(value, float) else value
