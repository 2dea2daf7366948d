"""MLRun's feature vectors, by a stand-in for its service: what is read, and what fails."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import Any, TypeVar

import pytest

from sluice.errors import DeclarationError, StoreUnavailable
from sluice.features.definitions import Definitions
from sluice.features.mlrun_vector import MlrunReader
from sluice.features.online import Beside
from sluice.features.store import TIMELESS, OnlineStore, layout_of
from tests.features.elsewhere import NAMES, NOON, Beats, definitions, looked

T = TypeVar("T")


class Vector:
    """A stand-in for MLRun's OnlineVectorService."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.closed = list(answers), Event()
        self.asked: list[Any] = []

    def get(self, rows: list[dict[str, Any]]) -> Any:
        self.asked.append(rows)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, Event):
            answer.wait(10)
            return [None] * len(rows)
        return answer

    def close(self) -> None:
        self.closed.set()


def vector_reader(
    declared: Definitions, *vectors: Vector, clock: Callable[[], float] = time.monotonic
) -> MlrunReader:
    """A reader that opens one vector after another."""
    layout = layout_of(declared, "drivers")
    timeout, to_open = declared.entities["drivers"].timeout, list(vectors)
    return MlrunReader("shop/drivers", layout, timeout, lambda name: to_open.pop(0), clock)


def vector_store(own: OnlineStore, declared: Definitions, vector: Vector) -> OnlineStore:
    readers = {"drivers": vector_reader(declared, vector)}
    return Beside(own, readers, {"drivers": layout_of(declared, "drivers")})


def test_a_forked_child_asks_a_feature_vector_of_its_own(tmp_path: Path) -> None:
    declared = definitions(tmp_path, "mlrun:shop/drivers", keys="    timestamp: at\n    keys:")
    row = {"rate": 0.5, "trips": 3, "city": "Bonn"}
    opened_by: list[int] = []

    def open(name: str) -> Vector:
        opened_by.append(os.getpid())
        return Vector([row], [row])

    reader = MlrunReader("shop/drivers", layout_of(declared, "drivers"), 10.0, open)
    assert reader.read([(1001.0,)])[0] is not None
    child = os.fork()
    if not child:
        found = reader.read([(1001.0,)])
        os._exit(0 if found[0] is not None and opened_by[1:] == [os.getpid()] else 1)
    assert os.waitpid(child, 0)[1] == 0
    reader.close()


def test_a_feature_vector_of_mlrun(tmp_path: Path, own: OnlineStore) -> None:
    timed = "    timestamp: at\n    keys:"
    declared = definitions(tmp_path, "mlrun:shop/drivers", keys=timed)
    row = {"rate": 0.5, "trips": 3, "city": "Bonn"}
    vector = Vector(
        [{**row, "at": datetime(2024, 1, 1, 12)}, {**row, "rate": None, "at": None}, None],
        [{**row, "at": "2024-01-01T13:00:00+01:00"}],
    )
    store = vector_store(own, declared, vector)
    found = looked(store, declared, 1001.0, 1002.0, 7.0, now=NOON + 60)
    assert [f.values for f in found] == [
        [0.5, 3.0, "Bonn"], [0.25, 0.0, "nowhere"], [0.25, 0.0, "nowhere"],
    ]  # fmt: skip
    assert found[0].ages == {"drivers": 60.0}
    assert found[2].defaulted == dict.fromkeys(NAMES, "missing")
    assert looked(store, declared, 1001.0, now=NOON)[0].ages == {"drivers": 0.0}
    assert vector.asked[0] == [{"driver_id": 1001}, {"driver_id": 1002}, {"driver_id": 7}]
    store.close()
    assert vector.closed.wait(10)


VECTOR = {"max_age": "    owner: us #", "timeout": "    timeout: 50ms #"}
ROW = {"rate": 0.5, "trips": 3, "city": "Bonn"}


def test_a_vector_that_has_not_what_is_declared(tmp_path: Path, own: OnlineStore) -> None:
    declared = definitions(tmp_path, "mlrun:shop/drivers", **VECTOR)
    store = vector_store(own, declared, Vector([ROW], [{"rate": 0.5}]))
    [found] = looked(store, declared, 1001.0, now=NOON)
    assert (found.values[0], found.ages) == (0.5, {})
    with pytest.raises(DeclarationError, match=r"features\.trips: feature vector shop/drivers has"):
        looked(store, declared, 1001.0, now=NOON)
    store.close()


def test_after_an_error_a_vector_is_opened_anew(tmp_path: Path) -> None:
    """MLRun's service answers nothing any more once its storage has raised something."""
    declared = definitions(tmp_path, "mlrun:shop/drivers", **VECTOR)
    failing = Vector([ROW], TimeoutError("no table"))
    reader = vector_reader(declared, failing, Vector([]), Vector([ROW]))
    assert reader.read([(1001.0,)])[0] is not None
    with pytest.raises(StoreUnavailable, match="TimeoutError: no table"):
        reader.read([(1001.0,)])
    assert failing.closed.wait(10)
    with pytest.raises(StoreUnavailable, match="0 rows for 1 keys"):
        reader.read([(1001.0,)])
    reader.close()


def test_a_vector_that_hangs_is_waited_for_once_and_then_given_up(tmp_path: Path) -> None:
    declared, beats, late = definitions(tmp_path, "mlrun:shop/drivers", **VECTOR), Beats(), Event()
    hung = Vector([ROW], late, [ROW])
    reader = vector_reader(declared, hung, Vector([ROW]), clock=lambda: beats.now)
    assert reader.read([(1001.0,)])[0] is not None
    with pytest.raises(StoreUnavailable, match=r"no answer within 0\.05 s"):
        reader.read([(1001.0,)])
    for _ in range(50):
        with pytest.raises(StoreUnavailable, match="a call that was late goes on"):
            reader.read([(1001.0,)])
    assert len(hung.asked) == 2
    beats.now += 61.0
    assert reader.read([(1001.0,)])[0] is not None
    late.set()
    assert hung.closed.wait(10)
    reader.close()


def test_a_process_does_not_wait_for_a_vector_that_hangs(tmp_path: Path) -> None:
    program = """
from threading import Event
from sluice.errors import StoreUnavailable
from sluice.features.mlrun_vector import MlrunReader
from sluice.features.store import Layout

class Hung:
    def get(self, rows):
        if rows == [{"id": 2}]:
            Event().wait()
        return [None]

layout = Layout("drivers", "", None, (("id", "integer"),), (("rate", "number"),))
reader = MlrunReader("shop/drivers", layout, 0.05, lambda name: Hung())
reader.read([(1,)])
try:
    reader.read([(2,)])
except StoreUnavailable as error:
    print(error)
reader.close()
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "no answer within 0.05 s" in done.stdout


def test_a_vector_that_was_late_is_asked_again(tmp_path: Path) -> None:
    declared, late = definitions(tmp_path, "mlrun:shop/drivers", **VECTOR), Event()
    vector = Vector([ROW], late, [ROW])
    reader = vector_reader(declared, vector)
    reader.read([(1001.0,)])
    with pytest.raises(StoreUnavailable):
        reader.read([(1001.0,)])
    late.set()
    assert eventually(lambda: reader.read([(1001.0,)])) == [(TIMELESS, [0.5, 3.0, "Bonn"])]
    reader.close()
    assert vector.closed.wait(10)


def eventually(read: Callable[[], T]) -> T:
    """What it answers once the thread of a late call has said that it is done."""
    for _ in range(10_000):
        with suppress(StoreUnavailable):
            return read()
        time.sleep(0.001)
    raise AssertionError("it does not answer")
