"""What is read from a source's table, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sluice.errors import DeclarationError
from sluice.features.definitions import Definitions
from sluice.features.source import Table, read_table
from tests.features.cases import gates, planes, read, weather


@pytest.fixture
def definitions(tmp_path: Path) -> Definitions:
    return read(tmp_path)


def test_columns_are_typed_as_declared(definitions: Definitions) -> None:
    table = read_table(definitions, "weather", weather())
    assert table.keys[0].tolist() == ["JFK", "JFK", "JFK", "LGA"]
    assert table.times.tolist() == [1000.0, 1060.0, 1200.0, 1000.0]
    temp, sky, calm = (column.tolist() for column in table.values)
    assert [temp[0], *temp[2:]] == [1.5, 3.5, 4.5]
    assert np.isnan(temp[1])
    assert sky == ["clear", "fog", None, "rain"]
    assert [*calm[:2], calm[3]] == [1.0, 0.0, 1.0]
    assert np.isnan(calm[2])
    assert read_table(definitions, "gates", gates()).keys[1].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("dtype", ["int64", "Int64", "float32", "float64", "object", "uint8"])
def test_a_number_is_the_same_whatever_its_dtype(definitions: Definitions, dtype: str) -> None:
    frame = planes().assign(seats=pd.Series([150, 200], dtype=dtype))
    [seats, _] = read_table(definitions, "planes", frame).values
    assert seats.dtype == np.float64
    assert seats.tolist() == [150.0, 200.0]


MOMENT = datetime(2013, 4, 1, 9, 0, 0, 123457, UTC)


@pytest.mark.parametrize(
    "column",
    [
        pd.Series([MOMENT]),
        pd.Series([MOMENT]).astype("datetime64[ns, America/New_York]"),
        pd.Series([MOMENT]).dt.as_unit("us"),
        pd.Series([MOMENT.isoformat()]),
        pd.Series(["2013-04-01T05:00:00.123457-04:00"]),
        pd.Series([MOMENT.timestamp()]),
    ],
)
def test_a_time_is_the_same_however_it_is_written(definitions: Definitions, column: Any) -> None:
    frame = gates().head(1).assign(since=column)
    assert read_table(definitions, "gates", frame).times.tolist() == [MOMENT.timestamp()]


def test_a_table_without_rows_is_read(definitions: Definitions) -> None:
    table = read_table(definitions, "weather", weather().head(0))
    assert isinstance(table, Table)
    assert len(table.times) == 0


NAIVE = pd.to_datetime(["2013-04-01"] * 4)
WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("keys.station", {"station": [1, 2, 3, 4]}, "expected text, found 1"),
    ("keys.station", {"station": ["JFK", None, "LGA", "EWR"]}, r"1 rows have none \(rows 1\)"),
    ("timestamp", {"hour": NAIVE}, "'hour' has no time zone"),
    ("timestamp", {"hour": ["2013-04-01T09:00:00"] * 4}, "expected a time with its zone"),
    ("timestamp", {"hour": [1.0, None, 3.0, np.inf]}, r"2 rows have none \(rows 1, 3\)"),
    ("timestamp", {"hour": pd.to_datetime(["2013", None, "2014", "2015"], utc=True)}, "1 rows"),
    ("features.temp", {"temp": [1.0, "warm", 2.0, 3.0]}, "expected a number, found 'warm'"),
    ("features.sky", {"sky": ["a", 2.5, "c", "d"]}, "expected text, found 2.5"),
    ("features.calm", {"calm": [1.0, 0.0, 1.0, 1.0]}, "expected true or false, found 1.0"),
    ("source", {"station": "JFK", "hour": [5, 6, 5, 6]},
     r"2 rows repeat the station, hour of another: station JFK, hour 5\.0; station JFK, hour 6\.0"),
]  # fmt: skip


@pytest.mark.parametrize(("where", "columns", "problem"), WRONG)
def test_a_wrong_column_is_named(
    definitions: Definitions, where: str, columns: dict[str, Any], problem: str
) -> None:
    with pytest.raises(
        DeclarationError, match=rf"entities\.weather\.{where}: its source: .*{problem}"
    ):
        read_table(definitions, "weather", weather().assign(**columns))


@pytest.mark.parametrize(
    ("column", "where"), [("station", "keys.station"), ("hour", "timestamp"), ("temp", "features")]
)
def test_an_absent_column_is_named_and_so_are_those_there(
    definitions: Definitions, column: str, where: str
) -> None:
    with pytest.raises(DeclarationError, match=f"{where}.*no column '{column}'.*measured_by"):
        read_table(definitions, "weather", weather().drop(columns=column))


def test_a_whole_number_is_asked_for(definitions: Definitions) -> None:
    with pytest.raises(DeclarationError, match=r"features\.seats.*a whole number, found 1\.5"):
        read_table(definitions, "planes", planes().assign(seats=[1.5, 2.0]))


def test_a_table_without_time_has_one_row_per_key(definitions: Definitions) -> None:
    twice = pd.concat([planes(), planes().head(1)])
    with pytest.raises(DeclarationError, match="1 rows repeat the tailnum of another: tailnum N1"):
        read_table(definitions, "planes", twice)


def test_a_source_gives_a_table(definitions: Definitions) -> None:
    with pytest.raises(DeclarationError, match="gave list"):
        read_table(definitions, "planes", [1, 2])
