"""Declarations and sources that the tests of features share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from sluice.features.definitions import Definitions, read_definitions
from sluice.features.lookup import Lookup
from sluice.schema import Value

ROOT = Path(__file__).parents[2]

FEATURES = """
format: 1
as_of: tests.features.cases.requested
record:
  origin: {type: string}
  tailnum: {type: string}
  gate: {type: integer}
  time: {type: number}
entities:
  weather:
    source: tests.features.cases.weather
    keys: {station: origin}
    timestamp: hour
    delay: 10s
    max_age: 100s
    owner: met office
    features:
      temp: {type: number, default: 15, description: degrees Celsius}
      sky: {type: string, max_age: 50s}
      calm: {type: boolean, default: true, max_age: 1000s}
  planes:
    source: tests.features.cases.planes
    keys: {tailnum: tailnum}
    features:
      seats: {type: integer, default: 100}
      maker: {type: string, default: unknown}
  gates:
    source: tests.features.cases.gates
    keys: {airport: origin, number: gate}
    timestamp: since
    features:
      queue: {type: number}
"""


def read(folder: Path, text: str = FEATURES) -> Definitions:
    """The definitions in `text`."""
    file = folder / "features.yaml"
    file.write_text(text, "utf-8")
    return read_definitions(file, ROOT)


def requested(fields: Any) -> Any:
    """What the look-ups of a record are as of."""
    return fields["time"]


def weather() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "station": ["JFK", "JFK", "JFK", "LGA"],
            "hour": pd.to_datetime([1000, 1060, 1200, 1000], unit="s", utc=True),
            "temp": [1.5, None, 3.5, 4.5],
            "sky": ["clear", "fog", None, "rain"],
            "calm": pd.array([True, False, None, True], dtype="boolean"),
            "measured_by": ["a", "b", "c", "d"],
        }
    )


def planes() -> pd.DataFrame:
    return pd.DataFrame({"tailnum": ["N1", "N2"], "seats": [150, 200], "maker": ["BOEING", None]})


def gates() -> pd.DataFrame:
    columns: dict[str, list[Any]] = {
        "airport": ["JFK", "JFK"], "number": [1, 1], "since": [0, 500.25], "queue": [1, 2],
    }  # fmt: skip
    return pd.DataFrame(columns)


def sources() -> dict[str, pd.DataFrame]:
    """entity → its source's table."""
    return {"weather": weather(), "planes": planes(), "gates": gates()}


class Looked(NamedTuple):
    """What one record looked up."""

    values: list[Value]
    defaulted: dict[str, str]
    ages: dict[str, float]


def look_up(lookup: Lookup, fields: Sequence[Any], as_of: Sequence[float]) -> list[Looked]:
    """What a look-up adds to rows of these fields."""
    rows, defaults = [list(row) for row in fields], [dict[str, str]() for _ in fields]
    ages = lookup.look_up(rows, as_of, defaults)
    values = [row[len(own) :] for row, own in zip(rows, fields, strict=True)]
    return [Looked(*found) for found in zip(values, defaults, ages, strict=True)]
