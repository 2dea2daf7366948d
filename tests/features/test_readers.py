"""Readers that are killed in the midst of reading hold neither slots nor pages for long."""

from __future__ import annotations

import os
import time
from pathlib import Path

import lmdb

from sluice.features.embedded import EmbeddedStore
from sluice.features.store import Layout
from tests.streams.fakes import FakeClock
from tests.streams.processes import fork, kill

READERS = int(os.environ.get("READERS", "20"))
GRAPH = ("project", "graph")
LAYOUT = Layout("plane", "source", "time", (("tailnum", "string"),), (("seats", "number"),))


def held(store: EmbeddedStore, sign: int) -> None:
    """Hold a read transaction open for ever, having said so."""

    def read(_: object) -> None:
        os.write(sign, b"x")
        time.sleep(3600)

    store._environment.read(read)


def test_killed_readers_leave_no_slot_and_no_page(tmp_path: Path) -> None:
    clock = FakeClock()
    store = EmbeddedStore(tmp_path / "store", GRAPH, clock=clock.monotonic)

    def write(n: int) -> None:
        store.put_many(LAYOUT, [((f"N{i}",), 1.0, [float(n)]) for i in range(2000)])

    for n in range(5):
        write(n)
    store.publish(LAYOUT)
    size = (tmp_path / "store" / "data.mdb").stat().st_blocks
    read, sign = os.pipe()
    for n in range(READERS):
        pid = fork(lambda: held(store, sign))
        assert os.read(read, 1) == b"x"
        write(n)  # what the reader holds can't be used again
        kill(pid)
        clock.now += 31.0
        write(n)
    os.close(read)
    os.close(sign)
    [found] = store.get_many([("plane", ("N7",))], 2.0)
    assert found == (1.0, [READERS - 1.0])
    store.close()
    with lmdb.open(str(tmp_path / "store"), create=False) as environment:
        assert environment.reader_check() == 0
    grown = (tmp_path / "store" / "data.mdb").stat().st_blocks
    assert grown <= 3 * size


def test_a_reader_takes_no_more_memory_from_a_larger_store(tmp_path: Path) -> None:
    """Anonymous memory: pages of the file are the system's, and it takes them back."""
    used = []
    for n in (1_000, 60_000):
        store = EmbeddedStore(tmp_path / f"{n}", GRAPH)
        store.put_many(LAYOUT, [((f"N{i}",), 1.0, [1.0]) for i in range(n)])
        store.publish(LAYOUT)
        read, sign = os.pipe()

        def look(store: EmbeddedStore = store, n: int = n, sign: int = sign) -> None:
            before = anonymous()
            for i in range(0, n, max(1, n // 2000)):
                store.get_many([("plane", (f"N{i}",))], 2.0)
            os.write(sign, str(anonymous() - before).encode())

        pid = fork(look)
        used.append(int(os.read(read, 20)))
        os.waitpid(pid, 0)
        os.close(read)
        os.close(sign)
        store.close()
    assert used[1] < used[0] + 1000  # kB


def anonymous() -> int:
    """This process's anonymous memory, kB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))
