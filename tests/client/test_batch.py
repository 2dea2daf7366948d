"""The client of the batch pattern: by the database alone, with nothing of the serving imported."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from sluice.batch.claims import Answer, Claims
from sluice.batch.database import Database
from sluice.client.batch import Batch
from sluice.errors import DeadlineExceeded, NotFound, RequestError
from tests.streams.fakes import FakeClock


class Working(FakeClock):
    """While it is slept on, a job answers one record."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._database = Database(f"sqlite:///{path}", "shop", "orders")
        self._claims = Claims(self._database)

    def sleep(self, seconds: float, /) -> None:
        super().sleep(seconds)
        if claim := self._claims.claim(1):
            n = claim.records[0].record["n"]
            answer = Answer({"n": n}, "1") if n else Answer(None, None, "n: expected above 0")
            self._claims.finish(claim, [answer])

    def close(self) -> None:
        self._database.close()


@pytest.fixture
def clock(tmp_path: Path) -> Iterator[Working]:
    clock = Working(tmp_path / "batch.db")
    yield clock
    clock.close()


@pytest.fixture
def client(tmp_path: Path, clock: Working) -> Iterator[Batch]:
    with Batch(str(tmp_path / "batch.db"), "shop", "orders", clock=clock) as client:
        yield client


def test_submit_watch_and_fetch(client: Batch, clock: Working) -> None:
    ids = client.submit([{"n": 1}, {"n": 0}, {"n": 3}])
    assert len(set(ids)) == 3
    assert client.status([ids[2], "?"]) == {ids[2]: "pending", "?": "unknown"}
    assert client.summary()[:4] == (3, 0, 0, 0)
    found = client.wait(ids)
    assert [o.status for o in found] == ["done", "failed", "done"]
    assert [o.output for o in found] == [{"n": 1}, None, {"n": 3}]
    assert found[1].reason == "n: expected above 0"
    assert client.fetch(ids[:1]) == found[:1]
    assert clock.time() == FakeClock().time() + 1.5


def test_with_ids_of_ones_own_it_is_safe_to_submit_again(client: Batch) -> None:
    for _ in range(2):
        assert client.submit([{"n": 1}], ["order-1"]) == ["order-1"]
    client.wait(["order-1"])
    client.submit([{"n": 1}], ["order-1"])
    assert client.status(["order-1"]) == {"order-1": "done"}
    with pytest.raises(RequestError, match="order-1: is there already, with another record"):
        client.submit([{"n": 2}], ["order-1"])


def test_a_table_and_times(client: Batch, clock: Working) -> None:
    table = pd.DataFrame({"n": [1, 2], "city": ["Bonn", None]})
    client.submit(table, at=5.0)
    client.submit([{"n": 3}, {"n": 4}], at=[7.0, None])
    claim = clock._claims.claim(9)
    assert claim is not None
    assert claim.records[1].record == {"n": 2, "city": None}
    assert [held.at for held in claim.records] == [5.0, 5.0, 7.0, None]


def test_what_does_not_fit_together(client: Batch) -> None:
    with pytest.raises(RequestError, match="2 records, 1 ids, 2 times"):
        client.submit([{"n": 1}, {"n": 2}], ["a"])


def test_waiting_ends(client: Batch) -> None:
    ids = client.submit([{"n": n} for n in range(9)])
    with pytest.raises(DeadlineExceeded, match="5 of 9 records are not answered yet"):
        client.wait(ids, timeout_s=2)
    with pytest.raises(NotFound, match="no record with the id else"):
        client.wait([*ids, "else"])


def test_it_imports_little() -> None:
    heavy = ("numpy", "pandas", "onnxruntime", "mlrun", "lmdb", "pyarrow", "yaml")
    code = f"import sys, sluice.client.batch; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
