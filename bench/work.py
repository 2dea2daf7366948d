"""The work that every peer does: one flight → look-ups → 25 columns → a probability → a reply.

Written as one would without Sluice, with dictionaries for tables; it imports nothing of Sluice's,
so that no peer pays for more than it uses. That it computes what Sluice computes is checked in
each run before anything is measured.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "bench-state"
FLIGHTS = FOLDER / "flights.csv"
TABLES, BOOSTER, VERSION, RECORDS = (
    FOLDER / name for name in ("tables.msgpack", "xgboost.json", "version", "records.json")
)
THRESHOLD = 0.35
WORKERS = 2  # of every server

_NAN = math.nan
_NO_WEATHER = [_NAN] * 5 + [0.0] + [_NAN] * 3  # by the declaration, no gust is 0
_NO_PLANE: tuple[float, float, float, None] = (_NAN, _NAN, _NAN, None)
_NO_AIRPORT = [_NAN] * 3
_HOUR, _WEATHER_DELAY, _WEATHER_MAX_AGE, _ASKED_BEFORE = 3600, 3600, 6 * 3600, 7200


class Tables(msgspec.Struct):
    """What is looked up, and the codes of the categories.

    Attributes:
        weather: by origin and hour (seconds since the epoch), nine numbers.
        planes: by tail number: year, engines, seats, manufacturer.
        airports: by code: latitude, longitude, altitude.
        codes: by column, the number of each category.
    """

    weather: dict[str, dict[int, list[float]]]
    planes: dict[str, tuple[float, float, float, str | None]]
    airports: dict[str, list[float]]
    codes: dict[str, dict[str, float]]


def read_tables() -> Tables:
    """The tables that `prepare` wrote."""
    return msgspec.msgpack.decode(TABLES.read_bytes(), type=Tables)


def moment_of(record: Mapping[str, Any]) -> float:
    """The hour of departure of a decoded JSON record, in seconds since the epoch."""
    return datetime.fromisoformat(record["time_hour"]).timestamp()


def enrich(tables: Tables, record: Mapping[str, Any], moment: float) -> list[Any]:
    """Weather as it was known two hours before departure, the plane, and the destination."""
    asked = moment + record["sched_dep_time"] % 100 * 60 - _ASKED_BEFORE
    plane = tables.planes.get(record["tailnum"], _NO_PLANE)
    airport = tables.airports.get(record["dest"], _NO_AIRPORT)
    return [*_weather(tables.weather[record["origin"]], asked), *plane, *airport]


def _weather(by_hour: Mapping[int, list[float]], asked: float) -> list[float]:
    hour = int((asked - _WEATHER_DELAY) // _HOUR * _HOUR)
    while hour >= asked - _WEATHER_MAX_AGE:
        if hour in by_hour:
            return by_hour[hour]
        hour -= _HOUR
    return _NO_WEATHER


def transform(
    tables: Tables, record: Mapping[str, Any], looked: list[Any], moment: float
) -> list[float]:
    """The 25 columns of the model, in its order."""
    codes, departure, arrival = tables.codes, record["sched_dep_time"], record["sched_arr_time"]
    temp, dewp, humid, direction, speed, gust, precip, pressure, visib = looked[:9]
    year, engines, seats, manufacturer, lat, lon, alt = looked[9:]
    return [
        codes["carrier"].get(record["carrier"], -1.0),
        codes["origin"].get(record["origin"], -1.0),
        codes["dest"].get(record["dest"], -1.0),
        record["flight"],
        record["distance"],
        departure // 100 * 60 + departure % 100,
        arrival // 100 * 60 + arrival % 100,
        (moment // 86400 + 3) % 7,
        temp,
        dewp,
        temp - dewp,
        humid,
        direction,
        0.0 if speed < 0 else 100.0 if speed > 100 else speed,
        gust,
        precip,
        pressure,
        visib,
        year,
        engines,
        seats,
        codes["manufacturer"].get(manufacturer, -1.0),
        lat,
        lon,
        alt,
    ]


def answer(probability: float) -> dict[str, Any]:
    """The reply."""
    return {"probability": probability, "label": int(probability >= THRESHOLD)}
