"""What the flight graph supplies: when each thing became known."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from serving_graphs.flight_delay import sources
from serving_graphs.flight_delay.playback import arrivals, playback, zones
from serving_graphs.flight_delay.times import two_hours_before_departure
from sluice.schema import seconds

LONGEST_TAXI = 240  # minutes; a wrong time zone or day would show as more


@pytest.fixture(scope="module")
def flights() -> pd.DataFrame:
    return sources.table("flights")


@pytest.mark.parametrize(
    ("month", "day", "flight", "arrival"),
    [
        (7, 1, "HA51", "2013-07-02T01:27Z"),  # 15:27 in Honolulu, the day before
        (7, 1, "B61503", "2013-07-02T07:44Z"),  # 03:44 in San Juan, which has no summer time
        (7, 1, "UA1138", "2013-07-01T15:55Z"),  # 08:55 in Phoenix, which has none either
        (11, 2, "B6523", "2013-11-03T07:10Z"),  # 00:10 in Los Angeles, past midnight
        (11, 3, "B6803", "2013-11-04T04:42Z"),  # 00:42 in San Juan; clocks went back at home
        (1, 1, "B61109", "2013-01-02T05:00Z"),  # 24:00 in Raleigh
    ],
)
def test_when_flights_arrived(
    flights: pd.DataFrame, month: int, day: int, flight: str, arrival: str
) -> None:
    number = flights["carrier"] + flights["flight"].astype(str)
    dated = (flights["month"] == month) & (flights["day"] == day)
    assert arrivals(flights[dated & (number == flight)]).tolist() == [seconds(arrival)]


def test_every_arrival_follows_its_landing_within_a_taxi(flights: pd.DataFrame) -> None:
    minutes = flights["sched_dep_time"] % 100 + flights["dep_delay"] + flights["air_time"]
    hours = pd.to_datetime(flights["time_hour"], utc=True).astype("int64") / 1e9
    taxi = (arrivals(flights) - hours.to_numpy() - 60 * minutes.to_numpy()) / 60
    assert np.isnan(taxi).sum() == flights["arr_delay"].isna().sum() == 9430
    assert np.nanmin(taxi) > 0
    assert np.nanmax(taxi) < LONGEST_TAXI


def test_clocks_at_the_destination_agree_with_the_timetable(flights: pd.DataFrame) -> None:
    some = flights[flights["arr_delay"].notna()].sample(500, random_state=5)
    zone_of = zones()
    rows = some[["dest", "arr_time", "sched_arr_time", "arr_delay"]].itertuples(index=False)
    for moment, row in zip(arrivals(some), rows, strict=True):
        clock = datetime.fromtimestamp(moment, ZoneInfo(zone_of[row.dest]))
        assert clock.hour * 100 + clock.minute == row.arr_time % 2400
        scheduled = row.sched_arr_time // 100 * 60 + row.sched_arr_time % 100
        late = (clock.hour * 60 + clock.minute - scheduled - row.arr_delay) % 1440
        assert late == 0


def test_questions_are_asked_two_hours_before_and_labels_come_after() -> None:
    questions = playback.questions("2013-04-01", "2013-04-08")
    assert len(questions) == 6592
    assert set(questions.periods) == {"2013-04"}
    for asked, record in zip(questions.asked, questions.records, strict=True):
        hour = {**record, "time_hour": seconds(record["time_hour"])}
        assert asked == two_hours_before_departure(hour)
    delays = (questions.known - questions.asked) / 3600
    assert np.nanmin(delays) > 2
    assert np.nanmedian(delays) == pytest.approx(4.8, abs=0.1)
    assert 0 < np.isnan(questions.labels).mean() < 0.01  # cancelled or diverted


def test_events_come_when_they_are_known() -> None:
    events = playback.events("2013-04-03", "2013-04-04")
    ids = [(e["type"], e["id"]) for e in events.events]
    assert len(set(ids)) == len(ids)
    assert events.known[0] >= seconds("2013-04-02T00:00Z")
    assert events.known[-1] < seconds("2013-04-04T06:00Z")
    assert events.known[-1] > playback.questions("2013-04-03", "2013-04-04").asked[-1]
    for known, event in zip(events.known, events.events, strict=True):
        data = event["data"]
        weather = event["type"] == "weather"
        happened = seconds(data["time_hour"]) + 3600 if weather else seconds(data["at"])
        assert known == happened
    assert {kind for kind, _ in ids} == {"departure", "weather"}
