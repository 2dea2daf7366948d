"""A store that is away costs one request its timeout, and the others nothing; it comes back."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.errors import StoreUnavailable
from sluice.features.guard import Guard
from sluice.features.store import TIMELESS, Found, Key
from sluice.features.table import TableLookup
from tests.features.conftest import Opener
from tests.features.elsewhere import NAMES, NOON, Beats, FeastServer, definitions, looked, running


@pytest.mark.parametrize("how", ["away", "late", "broken"])
def test_while_a_store_is_away_its_defaults_stand_in(
    how: str, tmp_path: Path, opened: Opener, caplog: pytest.LogCaptureFixture
) -> None:
    """One request finds it away, and the others do not even ask."""
    declared = definitions(tmp_path, timeout="    timeout: 100ms #")
    beats = Beats()
    with running() as feast:
        store = opened(declared, feast.url, **beats.given)
        assert looked(store, declared, 1001.0, now=NOON)[0].values[0] == 0.5
        if how == "late":
            feast.wait = Event()
        if how == "broken":
            feast.status = 500
        if how == "away":
            store = opened(declared, "http://127.0.0.1:1", **beats.given)
        for _ in range(50):
            [found] = looked(store, declared, 1001.0, now=NOON)
            assert found.defaulted == dict.fromkeys(NAMES, "missing")
        assert len(feast.asked) == (1 if how == "away" else 2)
        assert beats.tries == []
        assert sum("takes its defaults" in r.message for r in caplog.records) == 1
        if feast.wait is not None:
            feast.wait.set()


def test_it_comes_back_by_itself(tmp_path: Path, opened: Opener, feast: FeastServer) -> None:
    """Requests have it tried again beside them; they ask it again once it has answered."""
    declared, beats = definitions(tmp_path), Beats()
    store = opened(declared, feast.url, **beats.given)
    feast.status = 503
    assert looked(store, declared, 1001.0, now=NOON)[0].defaulted
    beats.now += 0.2
    for _ in range(3):
        assert looked(store, declared, 1001.0, now=NOON)[0].defaulted
    [again] = beats.tries
    again()
    assert len(feast.asked) == 2
    looked(store, declared, 1001.0, now=NOON)
    assert len(beats.tries) == 1  # the pauses become longer
    feast.status = 200
    beats.now += 0.4
    assert looked(store, declared, 1001.0, now=NOON)[0].defaulted
    beats.tries[1]()
    assert not looked(store, declared, 1001.0, now=NOON)[0].defaulted


def test_a_thread_tries_it_again(tmp_path: Path, opened: Opener, feast: FeastServer) -> None:
    declared, moment = definitions(tmp_path), iter(range(10_000))
    store = opened(declared, feast.url, clock=lambda: float(next(moment)))
    feast.status = 503
    assert looked(store, declared, 1001.0, now=NOON)[0].defaulted
    feast.status = 200
    end = time.monotonic() + 30
    while looked(store, declared, 1001.0, now=NOON)[0].defaulted and time.monotonic() < end:
        time.sleep(0.01)
    assert not looked(store, declared, 1001.0, now=NOON)[0].defaulted


def test_where_no_thread_can_be_had_it_is_tried_later(
    tmp_path: Path, opened: Opener, feast: FeastServer
) -> None:
    declared, beats, refused = definitions(tmp_path), Beats(), [True, False]

    def start(work: Callable[[], None]) -> None:
        if refused.pop(0):
            raise RuntimeError("can't start new thread")
        work()

    store = opened(declared, feast.url, clock=lambda: beats.now, start=start)
    feast.status = 503
    assert looked(store, declared, 1001.0, now=NOON)[0].defaulted
    feast.status = 200
    for _ in range(2):
        beats.now += 1.0
        assert looked(store, declared, 1001.0, now=NOON)[0].defaulted
    assert not looked(store, declared, 1001.0, now=NOON)[0].defaulted


def test_tables_wait_for_a_store_that_is_away(
    tmp_path: Path, opened: Opener, feast: FeastServer
) -> None:
    declared, beats = definitions(tmp_path), Beats()
    store = opened(declared, feast.url, **beats.given)
    feast.status = 503
    assert looked(store, declared, 1001.0, now=NOON)[0].defaulted
    table = TableLookup(declared, NAMES, store)
    asked = {"driver": np.array([1001.0])}, np.array([NOON])
    assert table.columns(*asked).values["drivers.rate"].tolist() == [0.25]
    feast.status = 200
    assert table.columns(*asked).values["drivers.rate"].tolist() == [0.5]
    assert not looked(store, declared, 1001.0, now=NOON)[0].defaulted
    assert beats.tries == []


class Flaky:
    """A reader whose store is there, or away; what it was asked for."""

    def __init__(self) -> None:
        self.up, self.asked = True, 0

    def read(self, keys: Sequence[Key]) -> list[Found | None]:
        self.asked += 1
        if not self.up:
            raise StoreUnavailable("away")
        return [(TIMELESS, [1.0])] * len(keys)

    def close(self) -> None:
        """There is nothing to let go of."""


ACTS = st.one_of(st.sampled_from(["ask", "try", "up", "down"]), st.floats(0.01, 20.0))


@given(st.lists(ACTS, max_size=60))
def test_whatever_happens_nobody_waits_twice_and_it_comes_back(acts: list[str | float]) -> None:
    """Requests wait for a store that is away once, between two of its answers; one try at a time
    is under way; and a store that is there again is asked again after a pause and a try."""
    beats, reader = Beats(), Flaky()
    guard = Guard("drivers", reader, **beats.given)
    away = False
    for act in acts:
        if isinstance(act, float):
            beats.now += act
        elif act == "try" and beats.tries:
            beats.tries.pop()()
            away = away and not reader.up
        elif act in ("up", "down"):
            reader.up = act == "up"
        elif act == "ask":
            before = reader.asked
            found = guard.read([(1.0,)])
            assert reader.asked - before == (0 if away else 1)
            assert (found == [None]) == (away or not reader.up)
            away = away or not reader.up
        assert len(beats.tries) <= 1
    reader.up, beats.now = True, beats.now + 7.5
    guard.read([(1.0,)])
    for again in beats.tries:
        again()
    assert guard.read([(1.0,)]) != [None]
