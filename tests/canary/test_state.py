"""Counting: each request and label once, in whatever order, twice, late or never; kills between."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from sluice.canary.read import read_event
from sluice.canary.state import State
from sluice.canary.tally import Tally
from sluice.streams import Record
from tests.canary.worlds import (
    FEEDBACK,
    NOW,
    TOPICS,
    Traffic,
    event,
    feedback,
    plan_of,
    records,
    run_of,
)
from tests.streams.processes import fork, join

CRASHES = int(os.environ.get("CRASHES", "5"))
LOSS = plan_of(loss={"of": "log_loss", "within": "1h"}, latency={"over_ms": 50})


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    made = state_in(tmp_path)
    yield made
    made.close()


def state_in(folder: Path) -> State:
    return State(folder / "canary", run_of(LOSS), TOPICS, lambda _: (0, 1), "tiny/binary")


def counted(state: State) -> dict[str, tuple[int, int, int, int]]:
    sides = state.tally().sides.items()
    return {name: (s.requests, s.failed, s.slow, s.labels) for name, s in sides}


def test_requests_labels_failures_and_slow_ones_are_counted_by_version(state: State) -> None:
    state.take(
        records([
            event("a", "champion", 0.2),
            event("b", "challenger", 0.2, us=60_000),
            event("c", "challenger", 0.2, status=503),
            event("d", "challenger", 0.2, status=422),
            event("e", "champion", 0.5, when=NOW + 5),
        ])
    )  # fmt: skip
    state.take(records([feedback("b", 1), feedback("a", 0)], FEEDBACK))
    assert counted(state) == {"champion": (2, 0, 0, 1), "challenger": (3, 1, 1, 1)}
    tally = state.tally()
    assert [(s.champion, s.challenger, s.lasted_s) for s in tally.stages] == [(1, 3, 0), (1, 0, 0)]
    assert tally.sides["challenger"].loss == pytest.approx(0.2231435 / 5)
    assert tally.capitals["loss"].n == 2


OTHERS = [
    event("a", "champion", 0.2).replace(b'"canary"', b'"weights"'),
    event("a", "champion", 0.2).replace(b'"version":"2"', b'"version":"7"'),
    event("a", "champion", 0.2).replace(b'"propensity":0.8', b'"propensity":1.0'),
    event("a", "champion", 0.2).replace(b'"name":"champion",', b""),
]


@pytest.mark.parametrize("value", OTHERS)
def test_what_is_not_of_the_run_is_left_out(value: bytes) -> None:
    assert read_event(event("a", "champion", 0.2), run_of(LOSS)) is not None
    assert read_event(value, run_of(LOSS)) is None


def test_records_of_a_batch_have_their_labels_counted_alone(state: State) -> None:
    route = {"policy": "canary", "name": "challenger", "propensity": 0.2, "version": "1"}
    other = {"policy": "canary", "name": "champion", "propensity": 0.8, "version": "2"}
    chunk = event("chunk-0", "challenger", 0.2, us=90_000_000, ids=["x", "y"])
    chunk = chunk.replace(b'"outputs":[[0.8]]', b'"outputs":[[0.8],[0.6]]')
    assert read_event(chunk, run_of(plan_of())) is None
    mixed = event(
        "chunk-0", "champion", 0.2, ids=["x", "y"], version="mixed",
        routes={"words": [route, other], "codes": [0, 1]},
    ).replace(b'"outputs":[[0.8]]', b'"outputs":[[0.8],[0.6]]')  # fmt: skip
    state.take(records([mixed]))
    state.take(records([feedback("x", 1), feedback("y", 1), feedback("y", 1)], FEEDBACK))
    assert counted(state) == {"champion": (0, 0, 0, 1), "challenger": (0, 0, 0, 1)}


def test_labels_come_late_twice_first_wrong_or_never(state: State) -> None:
    state.take(records([feedback("a", 1), feedback("a", 0), feedback("nobody", 1)], FEEDBACK))
    state.take(records([event(id, "champion", 0.2) for id in "abc"]))
    assert state.tally().sides["champion"].labels == 1
    late = feedback("b", 1, NOW + 3601)
    state.take(records([late, feedback("c", 9), feedback("c", 1), feedback("c", 1)], FEEDBACK, 3))
    tally = state.tally()
    assert tally.sides["champion"].labels == 2
    assert tally.counts == {"repeated": 2, "late": 1, "refused": 1, "lost": 0}


def test_of_a_request_with_many_records_the_first_label_counts(state: State) -> None:
    many = event("a", "champion", 0.2).replace(b"[[0.8]]", b"[[0.8],[0.3]]")
    state.take(records([many]))
    state.take(records([feedback("a", 1, record=1), feedback("a", 1, record=0)], FEEDBACK))
    assert state.tally().sides["champion"].loss == pytest.approx(1.2039728 / 5)
    assert state.tally().sides["champion"].labels == 1


def test_an_event_that_comes_twice_counts_once(state: State) -> None:
    state.take(records([event("a", "champion", 0.2)] * 2))
    state.take(records([event("a", "champion", 0.2)], first=2))
    assert counted(state)["champion"][0] == 1
    assert state.tally().counts["repeated"] == 2


def test_damage_is_counted_and_gaps_are_told(state: State) -> None:
    newer = event("a", "champion", 0.2).replace(b'"format":1', b'"format":2')
    state.take(records([b"{", newer, event("b", "champion", 0.2)]))
    state.take(records([event("c", "champion", 0.2)], first=10))
    assert state.tally().counts == {"repeated": 0, "late": 0, "refused": 2, "lost": 7}


def test_old_notes_are_forgotten(state: State) -> None:
    state.take(records([event("a", "champion", 0.2)]))
    state.take(records([event("b", "champion", 0.2)], first=1, timestamp=NOW + 8000))
    state.take(records([feedback("a", 1), feedback("b", 1)], FEEDBACK, timestamp=NOW + 8000))
    assert state.tally().sides["champion"].labels == 1


def both(n: int) -> list[Record]:
    """Requests and labels, mixed, some of them twice; in the order of each topic."""
    events, labels = Traffic(4, {"challenger": 0.1}).requests(n, 0.2)
    events, labels = [*events, *events[: n // 5]], [*labels[: n // 4], *labels]
    left = {"events": records(events), "labels": records(labels, FEEDBACK)}
    chance, mixed = random.Random(4), []
    while any(left.values()):
        mixed.append(left[chance.choice([k for k, rest in left.items() if rest])].pop(0))
    return mixed


def test_restarts_and_batches_make_no_difference(tmp_path: Path) -> None:
    mixed, tallies = both(200), []
    for size in (len(mixed), 7):
        folder = tmp_path / str(size)
        for first in range(0, len(mixed), size):
            state = state_in(folder)
            state.take(mixed[max(0, first - 20) : first + size])  # some of them again
            tallies.append(state.tally())
            state.close()
    whole = tallies[0]
    assert tallies[-1] == whole
    assert sum(side.requests for side in whole.sides.values()) == 200
    assert (
        sum(side.labels for side in whole.sides.values()) == 200 - whole.sides["challenger"].failed
    )


def work(folder: Path, mixed: Sequence[Record], after_s: float) -> None:
    """Count on from where the state is; die after so long, 0: not at all."""
    state = state_in(folder)
    signal.setitimer(signal.ITIMER_REAL, after_s)
    for first in range(0, len(mixed), 10):
        state.take(mixed[first : first + 10])
    state.close()


def test_kills_lose_nothing_and_count_nothing_twice(tmp_path: Path) -> None:
    mixed, chance = both(150), random.Random(9)
    whole = state_in(tmp_path / "whole")
    whole.take(mixed)
    expected: Tally = whole.tally()
    whole.close()
    for crash in range(CRASHES):
        folder = tmp_path / str(crash)
        codes = [
            join(fork(partial(work, folder, mixed, after_s)))
            for after_s in (0.001, chance.uniform(0.005, 0.1), chance.uniform(0.05, 0.2), 0.0)
        ]
        assert codes[0] == -signal.SIGALRM
        assert codes[-1] == 0
        after = state_in(folder)
        assert after.tally() == expected
        after.close()
