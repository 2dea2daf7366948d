"""The embedded store: its names, kills, formats; see test_environment for the rest."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import lmdb
import pytest

from sluice.errors import DeclarationError, StoreUnavailable
from sluice.features.embedded import EmbeddedStore
from sluice.features.names import descending
from sluice.features.store import Layout, Row, open_store
from tests.streams.processes import fork, kill

CRASHES = int(os.environ.get("CRASHES", "5"))
GRAPH = ("project", "graph")
LAYOUT = Layout("plane", "source", "time", (("tailnum", "string"),), (("seats", "number"),))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    store = EmbeddedStore(tmp_path / "store", GRAPH)
    store.put_many(LAYOUT, rows(10))
    store.publish(LAYOUT)
    yield store
    store.close()


def rows(n: int, moment: float = 1.0, value: float = 1.0) -> list[Row]:
    return [((f"N{i}",), moment, [value]) for i in range(n)]


def seats(store: EmbeddedStore, n: int, moment: float = 1e9) -> set[float | str | None]:
    found = store.get_many([("plane", (f"N{i}",)) for i in range(n)], moment)
    return {None if f is None else f[1][0] for f in found}


def test_names_sort_from_new_to_old() -> None:
    moments = [-float("inf"), -1e300, -1.5, -5e-324, 0.0, 5e-324, 1.0, 1.36e9, float("inf")]
    names = [descending(t) for t in moments]
    assert sorted(names, reverse=True) == names
    assert descending(-0.0) == descending(0.0)
    assert descending(float("nan")) == descending(-float("inf"))


def test_two_stores_of_one_folder_share_it_in_a_process(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    other = EmbeddedStore(tmp_path / "store", GRAPH)
    other.put_many(LAYOUT, rows(1, 5.0, 5.0))
    other.close()
    assert seats(store, 1) == {5.0}


def test_killed_writers_leave_whole_batches(store: EmbeddedStore) -> None:
    def child() -> None:
        for i in range(2, 100_000):
            store.put_many(LAYOUT, rows(50, float(i), float(i)))

    store.put_many(LAYOUT, rows(50))
    chance = random.Random(1)
    for _ in range(CRASHES):
        pid = fork(child)
        time.sleep(chance.uniform(0.01, 0.1))
        kill(pid)
        assert len(seats(store, 50)) == 1
        assert store.put_many(LAYOUT, rows(50, 1e8, 1e8)) == 50


def test_a_newer_format_is_refused_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    folder.mkdir()
    with lmdb.open(str(folder)) as environment, environment.begin(write=True) as transaction:
        transaction.put(b"format", b"2")
    for _ in range(2):
        with pytest.raises(DeclarationError, match=r"store: format: is 2 \(this Sluice reads up"):
            EmbeddedStore(folder, GRAPH)


def test_a_layout_that_was_replaced_leaves_no_rows_behind(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    two = Layout("plane", "source", "time", LAYOUT.keys, (("a", "number"), ("b", "number")))
    other = Layout("planet", "source", "time", LAYOUT.keys, LAYOUT.features)
    store.put_many(other, rows(7))
    store.put_many(two, [(("N0",), 1.0, [1.0, 2.0])])
    store.publish(two)
    store.close()
    with lmdb.open(str(tmp_path / "store")) as environment, environment.begin() as transaction:
        names = [name for name, _ in transaction.cursor() if name.startswith(b"r")]
    assert len(names) == 1 + 7


def test_open_store_takes_a_path_and_names_what_it_does_not_take(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store", GRAPH)
    assert isinstance(store, EmbeddedStore)
    store.close()
    with pytest.raises(DeclarationError, match=r"no store of kind 'memcached'.*a folder's path"):
        open_store("memcached://localhost", GRAPH)


def test_a_store_that_was_closed_says_so(store: EmbeddedStore) -> None:
    store.close()
    with pytest.raises(StoreUnavailable, match="was closed"):
        seats(store, 1)


def test_what_serves_imports_nothing_that_only_trains() -> None:
    code = (
        "import sys, sluice.features.lookup, sluice.features.embedded;"
        "print({'pandas', 'mlrun', 'sklearn', 'xgboost', 'tqdm'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
