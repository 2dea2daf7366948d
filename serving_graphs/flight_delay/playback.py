"""The flights of 2013 to be played again: what was asked, what happened, and when it was known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from serving_graphs.flight_delay import sources
from serving_graphs.flight_delay.times import two_hours_before_departure
from sluice.features.source import seconds_of
from sluice.frame import records_of
from sluice.playback import Events, Questions

if TYPE_CHECKING:
    import pandas as pd

WEATHER_KNOWN_AFTER = "1h"  # as features.yaml has it
WARM_UP = "1d"  # max_age: nothing older is used
PAST_MIDNIGHT = "6h"  # days are local: the last questions come after midnight in UTC
# Four destinations are not in the table of airports; all are on Atlantic Standard Time.
ATLANTIC = dict.fromkeys(("BQN", "PSE", "SJU", "STT"), "America/Puerto_Rico")


class Flights:
    """The playback of the flight graph."""

    def questions(self, start: str, end: str) -> Questions:
        """One per scheduled departure of the local days, cancelled flights included.

        A label is known when the flight arrives; that of a flight that was cancelled or diverted
        never is.
        """
        flights = sources.table("flights")
        flights = flights.assign(day=sources.local_day(flights))
        flights = flights[(flights["day"] >= start) & (flights["day"] < end)]
        scheduled = {"time_hour": _seconds(flights["time_hour"])}
        asked = two_hours_before_departure(
            {**scheduled, "sched_dep_time": flights["sched_dep_time"].to_numpy()}
        )
        order = np.argsort(asked, kind="stable")
        flights, asked = flights.iloc[order], asked[order]
        arrived = flights["arr_delay"].notna().to_numpy()
        late = flights["arr_delay"].to_numpy() > sources.LATE_MINUTES
        return Questions(
            asked=asked,
            records=records_of(flights[sources.RECORD]),
            labels=np.where(arrived, late, np.nan),
            known=arrivals(flights),
            periods=flights["day"].str[:7].tolist(),
        )

    def events(self, start: str, end: str) -> Events:
        """Departures at their true time, weather when it is known; from a day before."""
        import pandas as pd

        begin = pd.Timestamp(start, tz="UTC") - pd.Timedelta(WARM_UP)
        until = pd.Timestamp(end, tz="UTC") + pd.Timedelta(PAST_MIDNIGHT)
        departures, weather = sources.departures(), sources.weather()
        weather["id"] = weather["origin"] + "-" + weather["time_hour"]
        parts = [
            ("departure", departures, departures["at"]),
            ("weather", weather, pd.to_datetime(weather["time_hour"], utc=True)
             + pd.Timedelta(WEATHER_KNOWN_AFTER)),
        ]  # fmt: skip
        times, events = [], []
        for kind, table, known in parts:
            within = ((known >= begin) & (known < until)).to_numpy()
            times.append(seconds_of(known[within]))
            events += _events(kind, table[within])
        order = np.argsort(np.concatenate(times), kind="stable")
        return Events(np.concatenate(times)[order], [events[i] for i in order.tolist()])


def arrivals(flights: pd.DataFrame) -> npt.NDArray[np.float64]:
    """When flights reach the gate, seconds since the epoch [n]; NaN for those that never did.

    `arr_time` is what clocks at the destination say. Which day, and so which moment it means,
    follows from the landing: departure plus time in the air. The arrival is the first time from
    then on at which clocks there say so. Over the whole year that is 5 to 235 minutes after the
    landing; a wrong time zone would be off by hours.
    """
    import pandas as pd

    minutes = flights["sched_dep_time"] % 100 + flights["dep_delay"] + flights["air_time"]
    landed = pd.to_datetime(flights["time_hour"], utc=True) + pd.to_timedelta(minutes, unit="min")
    arrived = flights["arr_delay"].notna()
    clock = flights["arr_time"] // 100 * 60 + flights["arr_time"] % 100
    taxi = pd.Series(np.nan, flights.index)
    for zone, there in landed[arrived].groupby(flights["dest"].map(zones())):
        local = there.dt.tz_convert(zone)
        taxi[there.index] = (clock[there.index] - local.dt.hour * 60 - local.dt.minute) % 1440
    known: npt.NDArray[np.float64] = seconds_of(landed.rename("arrival")) + taxi.to_numpy() * 60
    return known


def zones() -> dict[str, str]:
    """The time zone of each airport."""
    airports = sources.table("airports").dropna(subset=["tzone"])
    return {**dict(zip(airports["faa"], airports["tzone"], strict=True)), **ATLANTIC}


def _seconds(texts: pd.Series[str]) -> npt.NDArray[np.float64]:
    import pandas as pd

    return seconds_of(pd.to_datetime(texts, utc=True))


def _events(kind: str, table: pd.DataFrame) -> list[dict[str, Any]]:
    rows, ids = records_of(table.drop(columns="id")), table["id"].tolist()
    return [{"type": kind, "id": i, "data": row} for i, row in zip(ids, rows, strict=True)]


playback = Flights()
