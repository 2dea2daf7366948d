"""A store that is away costs one request its timeout, and the others nothing; it comes back."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from threading import Event

import numpy as np
import pytest

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
