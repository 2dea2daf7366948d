"""Incidents: when they open, close, and are told, whatever is read in whatever order."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sluice.alerts.condition import Condition
from sluice.alerts.incident import Incident, Track, close, follow, tell, usual
from tests.alerts.known import HOUR, condition, reading


def run(declared: Condition, story: str) -> tuple[list[float], list[float], list[float]]:
    """When incidents opened, closed and were told, in hours; a letter an hour: h holds, c is over,
    n neither, a blank says nothing."""
    track = Track(0.0)
    opened, closed, told = list[float](), list[float](), list[float]()
    for hour, letter in enumerate(story):
        now = (hour + 1) * HOUR
        if letter != " ":
            one = reading(letter == "h", letter == "c")
            found = follow(track, declared, one, (hour * HOUR, now))
            if found is not None:
                (opened if found.closed is None else closed).append(now / HOUR)
        if tell(track, declared, now):
            told.append(now / HOUR)
    return opened, closed, told


def test_an_incident_opens_stays_open_between_and_closes() -> None:
    assert run(condition(), "cchhnnhccc") == ([3], [8], [3])


def test_for_is_waited_and_begins_anew() -> None:
    assert run(condition(**{"for": "3h"}), "hhchhhh") == ([6], [], [6])
    assert run(condition(**{"for": "3h"}), "hhnhhh") == ([6], [], [6])
    assert run(condition(**{"for": "10m"}), "ch") == ([2], [], [2])


def test_it_closes_after_it_was_over_for_long_enough() -> None:
    assert run(condition(clear_for="2h"), "hchccc") == ([1], [5], [1])


def test_the_cool_down_is_enforced() -> None:
    """Three incidents in nine hours, one notice; what is still open is told when it is over."""
    assert run(condition(cool_down="6h"), "hchc c hccc") == ([1, 3, 8], [2, 4, 9], [1, 8])
    assert run(condition(cool_down="6h"), "hchhhhhhh") == ([1, 3], [2], [1, 7])


def test_what_was_said_before_a_long_silence_goes_on_no_more() -> None:
    assert run(condition(**{"for": "2h"}), "h" + " " * 30 + "hh")[0] == [33]


@given(st.text("hcn ", max_size=60), st.integers(0, 4), st.integers(0, 4), st.integers(0, 9))
def test_laws(story: str, wait: int, clear: int, cool: int) -> None:
    declared = condition(**{"for": f"{wait}h", "clear_for": f"{clear}h", "cool_down": f"{cool}h"})
    opened, closed, told = run(declared, story)
    assert len(closed) in (len(opened), len(opened) - 1)
    assert all(a < b for a, b in zip(opened, closed, strict=False))
    assert all(b < a for b, a in zip(closed, opened[1:], strict=False))
    assert all(story[int(hour) - 1] == "h" for hour in opened)
    assert all(story[int(hour) - 1] == "c" for hour in closed)
    assert len(told) <= len(opened)
    assert all(b - a >= cool for a, b in pairwise(told))


def test_an_incident_keeps_what_was_usual_for_a_week() -> None:
    track, declared = Track(0.0), condition()
    follow(track, declared, replace(reading(True), usual=3.0), (0.0, HOUR))
    assert usual({("a", ""): track, ("b", ""): Track(0.0)}, 2 * HOUR) == {("a", ""): 3.0}
    assert usual({("a", ""): track}, 9 * 24 * HOUR) == {}


def test_an_incident_is_updated_and_says_why_it_ended() -> None:
    track, declared = Track(0.0), condition()
    first = follow(track, declared, reading(True), (0.0, HOUR))
    follow(track, declared, reading(True), (HOUR, 2 * HOUR))
    assert isinstance(first, Incident)
    assert track.incident is not None
    assert (track.incident.id, track.incident.since) == (first.id, 0.0)
    assert (track.incident.opened, track.incident.updated) == (HOUR, 2 * HOUR)
    ended = close(track, 3 * HOUR, "it went away")
    assert (ended.state, ended.closed, ended.ended) == ("closed", 3 * HOUR, "it went away")
    assert ended.to_dict()["id"] == first.id
