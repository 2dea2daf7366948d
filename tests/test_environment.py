"""LMDB environments among threads and processes: forks, growth, dead readers, formats."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import lmdb
import pytest

from sluice.environment import CHECK_READERS_S, Environment, Kind, acquire, release
from sluice.errors import DeclarationError, SluiceError, StoreUnavailable
from tests.streams.processes import fork, join, kill

CRASHES = int(os.environ.get("CRASHES", "5"))
FOLDER = Kind("store", b"format", b"", format=3, folder=True, map_size=1 << 16)
FILE = Kind("log", b"m", b"sluice.log ", format=3, folder=False, map_size=1 << 16)


class FakeClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(params=[FOLDER, FILE], ids=["folder", "file"])
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "x"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def environment(path: Path, kind: Kind, clock: FakeClock) -> Iterator[Environment]:
    environment = acquire(path, kind, clock)
    put(environment, 10, 1)
    yield environment
    release(environment)


def put(environment: Environment, n: int, value: int) -> None:
    """Give `n` names one value of 100 bytes."""

    def work(transaction: Any) -> None:
        for i in range(n):
            transaction.put(b"n%06d" % i, b"%0100d" % value)

    environment.write(work, durable=value % 2 == 0)


def values(environment: Environment, n: int) -> set[int | None]:
    def work(transaction: Any) -> set[int | None]:
        found = [transaction.get(b"n%06d" % i) for i in range(n)]
        return {None if value is None else int(value) for value in found}

    return environment.read(work)


def raw(path: Path, kind: Kind, **options: Any) -> Any:
    """The files as LMDB opens them; never in a process that has them open."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return lmdb.open(str(path), subdir=kind.folder, **options)


def size(environment: Environment) -> int:
    path = environment.path
    return (path / "data.mdb" if environment.kind.folder else path).stat().st_size


def reading(path: Path, kind: Kind, **options: Any) -> int:
    """The pid of a child that reads, and does not stop."""
    ready, tell = os.pipe()

    def child() -> None:
        with raw(path, kind, **options).begin() as transaction:
            transaction.get(kind.key)
            os.write(tell, b"x")
            time.sleep(60)

    pid = fork(child)
    assert os.read(ready, 1) == b"x"
    os.close(ready)
    os.close(tell)
    return pid


def has_reader(path: Path, kind: Kind, reader: int) -> bool:
    def look() -> None:
        lines = raw(path, kind).readers().splitlines()
        os._exit(10 + any(line.split()[:1] == [str(reader)] for line in lines))

    return join(fork(look)) == 11


def test_all_of_a_process_share_it_and_the_last_closes_it(
    environment: Environment, path: Path, kind: Kind
) -> None:
    path.parent.joinpath("link").symlink_to(path)
    other = acquire(path.parent / "link", kind)
    assert other is environment
    release(other)
    assert values(environment, 10) == {1}
    assert path.is_dir() == kind.folder


def test_one_that_was_closed_says_so_and_opens_no_files(path: Path, kind: Kind) -> None:
    old = acquire(path, kind)
    release(old)
    new = acquire(path, kind)
    put(new, 1, 7)
    with pytest.raises(StoreUnavailable, match=rf"^{kind.name} .*x: was closed"):
        values(old, 1)
    with pytest.raises(StoreUnavailable, match="was closed"):
        put(old, 1, 8)
    assert values(new, 1) == {7}
    release(new)


def test_work_that_fails_changes_nothing(environment: Environment) -> None:
    def wrong(transaction: Any) -> None:
        transaction.put(b"n000000", b"9")
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        environment.write(wrong)
    with pytest.raises(StoreUnavailable, match=r"x: .*BAD_VALSIZE"):
        environment.write(lambda transaction: transaction.put(b"n" * 1000, b""))
    with pytest.raises(StoreUnavailable, match=r"x: .*BAD_VALSIZE"):
        environment.read(lambda transaction: transaction.get(b""))
    assert values(environment, 10) == {1}


def test_a_child_and_its_parent_both_read_and_write_on(environment: Environment) -> None:
    def child() -> None:
        assert values(environment, 10) == {1}
        put(environment, 10, 2)
        assert values(environment, 10) == {2}

    assert join(fork(child)) == 0
    assert values(environment, 10) == {2}
    put(environment, 10, 3)
    assert values(environment, 10) == {3}


def test_a_fork_amid_reads_and_commits_harms_neither_side(environment: Environment) -> None:
    stop, wrong, commits = threading.Event(), [], [0]

    def add(name: bytes) -> None:
        def work(transaction: Any) -> None:
            transaction.put(name, b"%d" % (int(transaction.get(name, b"0")) + 1))

        environment.write(work, durable=False)

    def read() -> None:
        while not stop.is_set():
            if values(environment, 10) != {1}:
                wrong.append(True)

    def commit() -> None:
        while not stop.is_set():
            add(b"parent")
            commits[0] += 1

    def child() -> None:
        assert values(environment, 10) == {1}
        add(b"child")

    with ThreadPoolExecutor(3) as threads:
        running = [threads.submit(work) for work in (read, read, commit)]
        try:
            codes = [join(fork(child)) for _ in range(8)]
        finally:
            stop.set()
    assert [thread.result() for thread in running] == [None] * 3
    assert codes == [0] * 8
    assert not wrong
    counts = environment.read(
        lambda transaction: [transaction.get(b"parent"), transaction.get(b"child")]
    )
    assert counts == [b"%d" % commits[0], b"8"]


def test_it_grows_under_other_processes_that_read_or_write(environment: Environment) -> None:
    told, tell = os.pipe()
    mapped, say_mapped = os.pipe()

    def child() -> None:
        assert values(environment, 1) == {1}  # mapped before the growth
        os.write(say_mapped, b"x")
        os.read(told, 1)
        assert values(environment, 5000) == {2}
        put(environment, 1, 9)

    pid = fork(child)
    os.read(mapped, 1)
    put(environment, 5000, 2)
    os.write(tell, b"x")
    assert join(pid) == 0
    assert values(environment, 1) == {9}
    assert join(fork(lambda: put(environment, 20_000, 1))) == 0
    put(environment, 5000, 2)  # by a writer that mapped less
    assert values(environment, 20_000) == {1, 2}
    assert size(environment) > 4 * environment.kind.map_size


def test_processes_and_threads_that_all_read_write_and_grow_it(environment: Environment) -> None:
    """Each meets the growth of the others, wherever it is just then."""

    def append(who: int) -> None:
        for n in range(60):
            name = b"w%d-%03d" % (who, n)
            environment.write(
                lambda transaction, n=name: transaction.put(n, n * 500), durable=False
            )
            assert values(environment, 10) == {1}
            if n % 5 == 0:
                with environment.writing, environment.reading:
                    environment.close()  # the next to use it opens it, maybe as another grows it

    def many(who: int) -> None:
        with ThreadPoolExecutor(2) as threads:
            assert list(threads.map(append, (who, who + 1))) == [None] * 2

    pids = [fork(partial(many, who)) for who in (2, 4)]
    many(0)
    assert [join(pid) for pid in pids] == [0, 0]

    def all_names(transaction: Any) -> list[bytes]:
        return [name for name, value in transaction.cursor() if value == name * 500]

    expected = [b"w%d-%03d" % (who, n) for who in range(6) for n in range(60)]
    assert environment.read(all_names) == expected


def test_readers_that_were_killed_hold_no_pages(
    environment: Environment, path: Path, kind: Kind, clock: FakeClock
) -> None:
    def grown(writes: int) -> int:
        for i in range(writes):
            put(environment, 1000, 2 * i + 1)
        return size(environment)

    level = grown(5)
    kill(reading(path, kind))
    pinned = grown(40)
    assert pinned > 1.5 * level  # it is not known yet that the reader died
    for _ in range(CRASHES):
        clock.now += CHECK_READERS_S
        assert grown(10) == pinned
        kill(reading(path, kind))


def test_readers_that_were_killed_are_cleared_by_the_next_who_opens(path: Path, kind: Kind) -> None:
    lasting = reading(path, kind)  # else the next who opens starts a new table of readers
    killed = reading(path, kind)
    kill(killed)
    assert has_reader(path, kind, killed)
    release(acquire(path, kind))
    assert not has_reader(path, kind, killed)
    assert has_reader(path, kind, lasting)
    kill(lasting)


def test_too_many_readers_are_an_unavailable_store_until_one_leaves(path: Path, kind: Kind) -> None:
    only = reading(path, kind, max_readers=1)
    with pytest.raises(StoreUnavailable, match="READERS_FULL"):
        acquire(path, kind)
    kill(only)
    release(acquire(path, kind))


def mark(path: Path, kind: Kind, key: bytes, value: bytes) -> None:
    with raw(path, kind) as files, files.begin(write=True) as transaction:
        transaction.put(key, value)


def test_it_says_what_it_is(path: Path, kind: Kind) -> None:
    release(acquire(path, kind))
    with raw(path, kind) as files, files.begin() as transaction:
        assert list(transaction.cursor()) == [(kind.key, kind.prefix + b"3")]


def test_an_older_format_is_opened_and_a_newer_one_refused_by_name(path: Path, kind: Kind) -> None:
    mark(path, kind, kind.key, kind.prefix + b"2")
    release(acquire(path, kind))
    mark(path, kind, kind.key, kind.prefix + b"4")
    for _ in range(2):
        with pytest.raises(DeclarationError, match=r"x: format: is 4 \(this Sluice reads up to 3"):
            acquire(path, kind)


@pytest.mark.parametrize("key", [b"some", None])
def test_files_of_something_else_are_refused(path: Path, kind: Kind, key: bytes | None) -> None:
    mark(path, kind, key or kind.key, b"thing")
    with pytest.raises(SluiceError, match=rf"x is not a {kind.name}: it holds something else"):
        acquire(path, kind)
    with raw(path, kind) as files, files.begin() as transaction:
        assert transaction.stat()["entries"] == 1


def test_a_file_that_is_not_lmdbs_is_an_unavailable_store(path: Path, kind: Kind) -> None:
    path.parent.mkdir()
    if kind.folder:
        path.mkdir()
    (path / "data.mdb" if kind.folder else path).write_bytes(b"not a map" * 1000)
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match=rf"^{kind.name} .*x: .*not an LMDB file"):
            acquire(path, kind)


def test_a_folder_that_cannot_be_made_is_an_unavailable_store(path: Path, kind: Kind) -> None:
    path.parent.write_text("")
    with pytest.raises(StoreUnavailable, match=rf"^{kind.name} .*x: "):
        acquire(path, kind)
