"""Events and aggregates over them, of every kind, that the tests of ingesting share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from sluice.features.definitions import Definitions
from sluice.features.store import Found, OnlineStore, layout_of
from tests.features.cases import read

LATENESS = 10.0
FEATURES = """
format: 1
as_of: tests.features.cases.requested
record:
  origin: {type: string}
  gate: {type: integer}
  time: {type: number}
entities:
  delays:
    events: departure
    keys: {origin: origin}
    features:
      left: {aggregate: count, window: 5s, default: 0}
      ever: {aggregate: count}
      late: {aggregate: rate, of: late, window: 5s}
      lost: {aggregate: sum, of: delay, window: 7s}
      delay: {aggregate: mean, of: delay, window: 4s, max_age: 20s}
      mean: {aggregate: mean, of: delay}
      latest: {aggregate: last, of: delay, window: 6s}
      remark: {aggregate: last, of: remark, type: string, default: none}
  gates:
    events: departure
    keys: {origin: origin, gate: gate}
    delay: 2s
    max_age: 30s
    features:
      left: {aggregate: count, window: 3s}
      lost: {aggregate: sum, of: delay, default: -1}
  weather:
    source: tests.features.delays.weather
    keys: {station: origin}
    timestamp: hour
    features:
      temp: {type: number, default: 15}
      sky: {type: string}
events:
  departure:
    source: tests.features.delays.departures
    time: at
    lateness: 10s
    fields:
      at: {type: timestamp, required: true, nullable: false}
      origin: {type: string}
      gate: {type: integer}
      late: {type: boolean}
      delay: {type: number}
      remark: {type: string}
"""
COLUMNS = ["id", "at", "origin", "gate", "late", "delay", "remark"]
TOLD: list[dict[str, Any]] = []  # what the source of departures gives


def declared(folder: Path, text: str = FEATURES) -> Definitions:
    """The definitions above."""
    return read(folder, text)


def departure(id: str, at: float, origin: Any = "JFK", **fields: Any) -> dict[str, Any]:
    """A departure `at` seconds after 1970, as it is sent."""
    told = {"origin": origin, "gate": 1, "late": False, "delay": 1.0, "remark": None, **fields}
    time = f"{pd.Timestamp(at, unit='s'):%Y-%m-%dT%H:%M:%S.%fZ}"
    return {"type": "departure", "id": id, "data": {"at": time, **told}}


def frame(events: list[dict[str, Any]]) -> pd.DataFrame:
    """Departures as the source's table has them."""
    rows = [{"id": e["id"], **e["data"]} for e in events]
    table = pd.DataFrame(rows, columns=COLUMNS, dtype=object)
    return table.assign(at=pd.to_datetime(table["at"], utc=True))


def departures() -> pd.DataFrame:
    """The source of the departures."""
    return frame(TOLD)


def weather() -> pd.DataFrame:
    """The source of the weather."""
    hour = pd.to_datetime([1000, 1060], unit="s", utc=True)
    return pd.DataFrame({"station": "JFK", "hour": hour, "temp": [1.5, None], "sky": "clear"})


def history(
    definitions: Definitions, store: OnlineStore, entity: str, key: tuple[Any, ...]
) -> list[Found]:
    """All rows of a key, from new to old."""
    layout = layout_of(definitions, entity)
    newer, oldest = store.update(lambda rows: rows.around(layout, key, float("-inf")))
    return newer if oldest is None else [*newer, oldest]
