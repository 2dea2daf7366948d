"""The advice, by made-up figures: its laws, and cases worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.advice.advise import Advice, advise
from sluice.advice.measured import Measured
from sluice.advice.option import Option
from sluice.errors import SluiceError
from tests.advice.samples import MEASURED, needs, slower

LOADS = st.floats(0.01, 1e5)
TIMES = st.floats(1.0, 50.0)
SECONDS = st.floats(1.0, 1e6)
LATENCIES = st.none() | st.floats(1e-4, 1.0)


def ask(average: float = 100.0, measured: Measured = MEASURED, **given: Any) -> dict[str, Option]:
    """The options by pattern."""
    return {o.pattern: o for o in advise(needs(average, **given), measured).options}


def advice(average: float = 100.0, **given: Any) -> Advice:
    return advise(needs(average, **given), MEASURED)


@st.composite
def asked(draw: st.DrawFn) -> dict[str, Any]:
    """All kinds of needs beside the load."""
    kind: dict[str, Any] = draw(
        st.sampled_from([{}, {"waits": False}, {"batch": True}, {"real_time": True}])
    )
    if "batch" not in kind:
        kind = kind | {"latency_s": draw(LATENCIES)}
    if kind.get("waits") is False or "batch" in kind:
        kind = kind | {"deadline_s": draw(SECONDS)}
    return kind | {"peak_s": draw(SECONDS)}


@given(asked(), LOADS, TIMES, TIMES, TIMES)
@settings(deadline=None)
def test_more_load_never_takes_fewer_workers_nor_costs_less(
    kind: dict[str, Any], average: float, peak: float, more: float, more_peak: float
) -> None:
    low = ask(average, peak=average * peak, **kind)
    high = ask(average * more, peak=average * peak * more * more_peak, **kind)
    for pattern, option in low.items():
        assert high[pattern].workers >= option.workers >= 1
        assert high[pattern].cost >= option.cost > 0
        assert (high[pattern].least_cost or 0) >= (option.least_cost or 0)


@given(asked(), LOADS, TIMES)
@settings(deadline=None)
def test_a_slower_graph_never_costs_less(kind: dict[str, Any], load: float, times: float) -> None:
    slow = ask(load, slower(times), **kind)
    for pattern, option in ask(load, **kind).items():
        assert slow[pattern].cost >= option.cost
        assert slow[pattern].workers >= option.workers


@given(asked(), LOADS, TIMES)
@settings(deadline=None)
def test_the_cost_is_proportional_to_the_price(
    kind: dict[str, Any], load: float, times: float
) -> None:
    dear = ask(load, price=0.05 * times, **kind)
    for pattern, option in ask(load, price=0.05, **kind).items():
        assert dear[pattern].cost == pytest.approx(times * option.cost)


@given(LOADS, TIMES, LATENCIES)
@settings(deadline=None)
def test_http_is_within_its_budget_and_its_utilisation(
    average: float, peak: float, latency: float | None
) -> None:
    option = ask(average, peak=average * peak, latency_s=latency)["HTTP"]
    assert average * peak * MEASURED.http.cpu_s / option.workers <= 0.7 + 1e-9
    assert bool(option.barred) == (latency is not None and latency < MEASURED.http.p99_s)
    if latency is not None and not option.barred:
        assert option.answer_s <= latency + 1e-12
    assert (option.least_cost or 0) <= option.cost


@given(LOADS, TIMES, SECONDS, st.floats(60.0, 1e6))
@settings(deadline=None)
def test_a_stream_has_drained_its_peak_by_the_deadline(
    average: float, peak: float, lasts: float, deadline: float
) -> None:
    given = {"real_time": True, "peak_s": lasts, "deadline_s": deadline}
    option = ask(average, MEASURED, peak=average * peak, **given)["stream"]
    speed = option.workers / MEASURED.stream.cpu_s
    left = (average * peak - speed) * lasts - (speed - average) * deadline
    assert left <= 1e-6 * average * peak * (lasts + deadline)
    assert average / speed <= 0.7 + 1e-9


@given(LOADS, TIMES, st.floats(120.0, 1e7))
@settings(deadline=None)
def test_a_batch_is_chosen_when_nobody_waits_and_is_there_by_the_deadline(
    average: float, peak: float, deadline: float
) -> None:
    found = advice(average, peak=average * peak, waits=False, deadline_s=deadline)
    assert found.chosen is not None
    assert found.chosen.pattern == "batch"
    assert found.chosen.answer_s <= deadline
    assert found.options[0] is found.chosen


@pytest.mark.parametrize(
    ("given", "chosen"),
    [
        ({}, "HTTP"),
        ({"real_time": True}, "HTTP"),
        ({"waits": True, "latency_s": 0.05}, "HTTP"),
        ({"waits": False}, "batch"),
        ({"batch": True}, "batch"),
        ({"deadline_s": 119.0}, "stream"),
        ({"deadline_s": 120.0}, "batch"),
        ({"waits": False, "real_time": True}, "stream"),
        ({"waits": False, "latency_s": 0.05}, "stream"),
        ({"waits": False, "latency_s": 0.02}, "HTTP"),
        ({"latency_s": 0.001}, None),
        ({"waits": False, "latency_s": 0.001}, None),
        ({"batch": True, "deadline_s": 60.0}, None),
    ],
)
def test_what_is_chosen(given: dict[str, Any], chosen: str | None) -> None:
    found = advice(**given)
    assert (found.chosen.pattern if found.chosen else None) == chosen
    assert {o.pattern for o in found.options} == {"HTTP", "stream", "batch"}
    for option, reason in zip(found.options, found.reasons, strict=True):
        assert reason
        assert bool(option.barred) <= (option is not found.chosen)


@pytest.mark.parametrize(
    ("given", "pattern", "why"),
    [
        ({"latency_s": 0.001}, "HTTP", "a latency of 1 ms is below the 2 ms that was measured"),
        ({"waits": False, "latency_s": 0.01}, "stream", "of 10 ms is below the 30 ms"),
        ({"waits": False, "latency_s": 0.01}, "batch", "a latency of 10 ms was asked for"),
        ({}, "stream", "the caller waits for its answer"),
        ({}, "batch", "the caller waits for its answer"),
        ({"batch": True}, "HTTP", "a batch was asked for"),
        ({"batch": True}, "stream", "a batch was asked for"),
        ({"waits": False, "real_time": True}, "batch", "real time was asked for"),
        ({"deadline_s": 90.0}, "batch", "a deadline of 1.5 min is less than two runs"),
    ],
)
def test_why_not(given: dict[str, Any], pattern: str, why: str) -> None:
    assert why in ask(**given)[pattern].barred


def test_a_job_that_takes_too_long_to_start() -> None:
    late = replace(MEASURED, batch=replace(MEASURED.batch, start_s=50.0))
    option = ask(measured=late, deadline_s=120.0)["batch"]
    assert "a deadline of 2 min is too short for a job that takes 50 s to start" in option.barred
    assert not ask(measured=late, deadline_s=240.0)["batch"].barred


def test_by_hand() -> None:
    """10,000/s × 200 µs = 2 cores; at 70 % that is 3 workers, × 730 h × .05."""
    http = ask(1000.0, peak=10_000.0)["HTTP"]
    assert (http.workers, http.least_cost) == (3, 36.5)
    assert http.cost == pytest.approx(109.5)
    # 10 min at 100,000/s and 10 min at 1,000/s to drain: 50,500/s × 100 µs.
    given = {"real_time": True, "deadline_s": 600.0}
    stream = ask(1000.0, MEASURED, peak=100_000.0, **given)["stream"]
    assert stream.workers == 6
    assert "of 10 min ends 6.67 min behind, drained within 10 min" in stream.sized
    # 100/s × 2,628,000 s × 50 µs = 13,140 s; 1,460 runs of .5 s to start = 730 s.
    batch = ask(100.0, waits=False)["batch"]
    assert batch.cost == pytest.approx((13_140 + 730) / 3600 * 0.05)


def test_a_job_without_a_database_counts_its_scoring() -> None:
    alone = replace(MEASURED, batch=replace(MEASURED.batch, database_cpu_s=None))
    assert ask(measured=alone)["batch"].cost < ask()["batch"].cost


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"average": 0.0}, "--average 0: expected a number above 0"),
        ({"average": -1.0}, "--average -1: expected"),
        ({"average": float("nan")}, "--average nan: expected"),
        ({"peak": float("inf")}, "--peak inf: expected"),
        ({"peak": 50.0}, "a peak of 50/s is below the average"),
        ({"price": 0.0}, "--price 0: expected"),
        ({"latency_s": -0.1}, "--latency -100: expected"),
        ({"deadline_s": 0.0}, "--deadline 0: expected"),
        ({"peak_s": 0.0}, "--peak-lasts 0: expected"),
        ({"batch": True, "real_time": True}, "choose one"),
        ({"batch": True, "waits": True}, "nobody waits for a batch"),
        ({"batch": True, "latency_s": 1.0}, "a batch has a --deadline"),
        ({"waits": True, "deadline_s": 9.0}, "whoever waits has a --latency"),
    ],
)
def test_needs_that_make_no_sense(given: dict[str, Any], problem: str) -> None:
    with pytest.raises(SluiceError, match=problem):
        needs(**given)


def test_what_is_assumed_is_told() -> None:
    found = needs(10.0, deadline_s=300.0)
    assert (found.peak, found.waits, found.price) == (30.0, False, 0.05)
    assert set(found.assumed) == {"peak", "waits", "latency_s", "peak_s", "price", "currency"}
    assert needs(10.0, real_time=True, waits=False).deadline_s == 60.0
