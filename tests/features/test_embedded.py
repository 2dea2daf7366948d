"""The embedded store among processes: forks, growth, kills, dead readers, formats."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import lmdb
import pytest

from sluice.environment import CHECK_READERS_S
from sluice.errors import DeclarationError, StoreUnavailable
from sluice.features.embedded import EmbeddedStore, descending
from sluice.features.store import Layout, Row, open_store
from tests.streams.processes import fork, join, kill

CRASHES = int(os.environ.get("CRASHES", "5"))
GRAPH = ("project", "graph")
LAYOUT = Layout("plane", "source", "time", (("tailnum", "string"),), (("seats", "number"),))


class FakeClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


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


def test_a_child_and_its_parent_both_read_and_write_on(store: EmbeddedStore) -> None:
    def child() -> None:
        assert seats(store, 10) == {1.0}
        store.put_many(LAYOUT, rows(10, 2.0, 2.0))
        assert seats(store, 10) == {2.0}

    assert seats(store, 10) == {1.0}
    assert join(fork(child)) == 0
    assert seats(store, 10) == {2.0}
    store.put_many(LAYOUT, rows(10, 3.0, 3.0))
    assert seats(store, 10) == {3.0}


def test_a_fork_waits_for_readers_and_takes_nothing_from_them(store: EmbeddedStore) -> None:
    stop, wrong = threading.Event(), []

    def read() -> None:
        while not stop.is_set():
            if seats(store, 10) != {1.0}:
                wrong.append(True)

    def child() -> None:
        assert seats(store, 10) == {1.0}

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    codes = [join(fork(child)) for _ in range(10)]
    stop.set()
    for thread in threads:
        thread.join()
    assert codes == [0] * 10
    assert not wrong


def test_two_stores_of_one_folder_share_it_in_a_process(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    other = EmbeddedStore(tmp_path / "store", GRAPH)
    other.put_many(LAYOUT, rows(1, 5.0, 5.0))
    other.close()
    assert seats(store, 1) == {5.0}


def test_it_grows_under_its_readers(tmp_path: Path) -> None:
    small = EmbeddedStore(tmp_path / "store", GRAPH, map_size=1 << 16)
    small.publish(LAYOUT)
    told, tell = os.pipe()

    def child() -> None:
        assert seats(small, 1) == {None}  # mapped before the growth
        os.read(told, 1)
        assert seats(small, 5000) == {2.0}
        small.put_many(LAYOUT, rows(1, 9.0, 9.0))

    pid = fork(child)
    for moment in (1.0, 2.0):
        small.put_many(LAYOUT, rows(5000, moment, moment))
    os.write(tell, b"x")
    assert join(pid) == 0
    assert seats(small, 1) == {9.0}
    assert (tmp_path / "store" / "data.mdb").stat().st_size > 1 << 18
    small.close()


def test_it_grows_under_a_writer_that_mapped_less(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "store", GRAPH, map_size=1 << 16)
    store.publish(LAYOUT)
    assert join(fork(lambda: store.put_many(LAYOUT, rows(5000)))) == 0
    assert store.put_many(LAYOUT, rows(5000, 2.0, 2.0)) == 5000
    assert seats(store, 5000) == {2.0}
    store.close()


def test_readers_and_a_growing_writer_in_one_process(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "store", GRAPH, map_size=1 << 16)
    store.publish(LAYOUT)
    store.put_many(LAYOUT, rows(100))
    seen: set[float | str | None] = set()
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            seen.update(seats(store, 100))

    thread = threading.Thread(target=read)
    thread.start()
    for i in range(2, 12):
        store.put_many(LAYOUT, rows(1000, float(i)))
    stop.set()
    thread.join()
    assert seen == {1.0}
    store.close()


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


def test_readers_that_were_killed_hold_no_pages(tmp_path: Path) -> None:
    clock = FakeClock()
    store = EmbeddedStore(tmp_path / "store", GRAPH, clock=clock)
    store.put_many(LAYOUT, rows(2000))
    store.publish(LAYOUT)
    ready, tell = os.pipe()

    def child() -> None:  # is killed in the midst of a read
        environment = lmdb.open(str(tmp_path / "store"))
        with environment.begin() as transaction:
            transaction.get(b"format")
            os.write(tell, b"x")
            time.sleep(60)

    def grown(writes: int) -> int:
        for i in range(writes):
            store.put_many(LAYOUT, rows(2000, 1.0, float(i)))
        return (tmp_path / "store" / "data.mdb").stat().st_size

    def kill_a_reader() -> None:
        pid = fork(child)
        os.read(ready, 1)
        kill(pid)

    level = grown(5)
    kill_a_reader()
    pinned = grown(40)
    assert pinned > 1.5 * level  # it is not known yet that the reader died
    for _ in range(CRASHES):
        clock.now += CHECK_READERS_S
        assert grown(10) == pinned
        kill_a_reader()
    store.close()


def test_a_newer_format_is_refused_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    folder.mkdir()
    with lmdb.open(str(folder)) as environment, environment.begin(write=True) as transaction:
        transaction.put(b"format", b"2")
    for _ in range(2):
        with pytest.raises(DeclarationError, match=r"store: format: is 2 \(this Sluice reads up"):
            EmbeddedStore(folder, GRAPH)


def test_a_folder_that_cannot_be_made_is_an_unavailable_store(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match="file"):
        EmbeddedStore(tmp_path / "file", GRAPH)


def test_a_file_that_is_no_store_is_an_unavailable_store(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "data.mdb").write_bytes(b"not a store" * 1000)
    with pytest.raises(StoreUnavailable, match="store"):
        EmbeddedStore(tmp_path / "store", GRAPH)


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
    with pytest.raises(DeclarationError, match=r"no store of kind 'redis'.*a folder's path"):
        open_store("redis://localhost", GRAPH)


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
