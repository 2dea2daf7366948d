"""The order in which things are played."""

from __future__ import annotations

import heapq

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sluice.playback.timeline import Kind, Timeline

times = st.lists(st.integers(0, 30).map(float) | st.just(float("nan")), max_size=25)


@given(times, times, times, st.integers(1, 7), st.none() | st.sampled_from([1.0, 4.0]))
def test_runs_are_the_merged_streams(
    asked: list[float], known: list[float], told: list[float], most: int, span: float | None
) -> None:
    streams = {Kind.QUESTION: sorted(asked), Kind.EVENT: sorted(known), Kind.LABEL: told}
    items = [
        sorted((t, kind, place) for place, t in enumerate(stream) if t == t)
        for kind, stream in streams.items()
    ]
    timeline = Timeline({kind: np.array(stream, float) for kind, stream in streams.items()})
    runs = list(timeline.runs(0, most, span))
    played = [(r.kind, p) for r in runs for p in r.places.tolist()]
    assert played == [(kind, place) for _, kind, place in heapq.merge(*items)]
    assert len(played) == len(timeline)
    for run in runs:
        assert 0 < run.end - run.begin <= most
        assert run.time == timeline.times[run.end - 1]
        if span is not None:
            assert timeline.times[run.begin] // span == run.time // span


def test_runs_from_the_middle_go_on_where_those_before_ended() -> None:
    timeline = Timeline({Kind.QUESTION: np.arange(10.0), Kind.EVENT: np.array([4.5, 4.6])})
    whole = [(r.kind, p) for r in timeline.runs(0, 3) for p in r.places.tolist()]
    for start in range(len(timeline) + 1):
        rest = [(r.kind, p) for r in timeline.runs(start, 3) for p in r.places.tolist()]
        assert rest == whole[start:]


def test_what_is_known_at_the_moment_of_a_question_comes_before_it() -> None:
    moment = np.array([7.0])
    timeline = Timeline({Kind.QUESTION: moment, Kind.LABEL: moment, Kind.EVENT: moment})
    assert [run.kind for run in timeline.runs(0, 9)] == [Kind.EVENT, Kind.LABEL, Kind.QUESTION]
