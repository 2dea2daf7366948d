"""The wait for a worker, against a queue that is played."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sluice.advice.queue import wait_p99, workers_for, workers_within


@pytest.mark.parametrize("busy", [0.3, 0.7, 0.9])
def test_the_wait_is_that_of_a_queue_that_is_played(busy: float) -> None:
    """Lindley: W' = max(0, W + service − gap), 400,000 requests of 1 s on average."""
    rng = np.random.default_rng(7)
    steps = rng.exponential(1.0, 400_000) - rng.exponential(1 / busy, 400_000)
    walk = np.concatenate([[0.0], np.cumsum(steps)])
    waits = walk - np.minimum.accumulate(walk)
    assert np.quantile(waits, 0.99) == pytest.approx(wait_p99(busy, 1.0), rel=0.1)


def test_a_worker_that_is_overrun_has_no_end_of_waiting() -> None:
    assert wait_p99(1000, 0.001) == math.inf
    assert wait_p99(5, 0.001) == 0


def test_the_fewest_that_are_within() -> None:
    for rate in (1.0, 50.0, 3000.0, 80_000.0):
        for room_s in (0.0, 1e-4, 1e-3, 1.0):
            count = workers_within(rate, 0.001, room_s)
            assert wait_p99(rate / count, 0.001) <= room_s
            fewer = count - 1
            assert fewer < workers_for(rate, 0.001) or wait_p99(rate / fewer, 0.001) > room_s
