"""Redis: away, hung, full, shared by writers, and answers that are lost on the way."""

from __future__ import annotations

import os
import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from sluice.errors import DeclarationError, StoreUnavailable
from sluice.features.definitions import Definitions
from sluice.features.ingest import Ingest
from sluice.features.store import Layout, OnlineStore, Row, Rows, open_store
from tests.features import delays
from tests.features.delays import departure, history
from tests.features.places import fresh
from tests.servers import RedisServer, free_port, shared_redis
from tests.streams.processes import fork, join, kill

CRASHES = int(os.environ.get("CRASHES", "5"))
GRAPH = ("project", "graph")
LAYOUT = Layout("weather", "s", "time", (("key", "string"),), (("temp", "number"),))
ROW: Row = (("JFK",), 1.0, [0.1])
KEY = [("weather", ("JFK",))]


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> Definitions:
    return delays.declared(tmp_path_factory.mktemp("definitions"))


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A Redis that a test may kill."""
    with closing(RedisServer()) as server:
        yield server


def filled(url: str) -> OnlineStore:
    store = open_store(url, GRAPH)
    store.put_many(LAYOUT, [ROW])
    store.publish(LAYOUT)
    assert store.get_many(KEY, 2.0) == [(1.0, [0.1])]
    return store


def test_a_store_that_was_killed_answers_again_when_it_is_back(server: RedisServer) -> None:
    store = filled(server.url)
    server.kill()
    for _ in range(3):
        start = time.monotonic()
        with pytest.raises(StoreUnavailable, match=rf"^redis://127.0.0.1:{server.port}/0: "):
            store.get_many(KEY, 2.0)
        with pytest.raises(StoreUnavailable):
            store.put_many(LAYOUT, [ROW])
        assert time.monotonic() - start < 2.0
    server.start()
    assert store.get_many(KEY, 2.0) == [(1.0, [0.1])]
    assert store.put_many(LAYOUT, [(("JFK",), 2.0, [0.2])]) == 1
    assert store.get_many(KEY, 2.0) == [(2.0, [0.2])]
    store.close()


def test_a_store_that_hangs_is_given_up_in_time(server: RedisServer) -> None:
    store = filled(f"{server.url}?timeout=0.2&write_timeout=0.4")
    server.stop()
    start = time.monotonic()
    with pytest.raises(StoreUnavailable, match="TimeoutError"):
        store.get_many(KEY, 2.0)
    assert 0.15 < time.monotonic() - start < 1.0
    with pytest.raises(StoreUnavailable):
        store.put_many(LAYOUT, [ROW])
    server.stop(going_on=True)
    assert store.get_many(KEY, 2.0) == [(1.0, [0.1])]
    store.close()


class Lossy:
    """Stands between a client and Redis; cuts the connection instead of answering some EXEC."""

    def __init__(self, port: int, chance: random.Random) -> None:
        self._port, self._chance, self.lost = port, chance, 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listening.getsockname()[1]}/0"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._port)) as server:
            while data := client.recv(1 << 20):
                server.sendall(data)
                whole = data
                while b"MULTI" in whole and not whole.endswith(b"EXEC\r\n"):
                    data = client.recv(1 << 20)
                    server.sendall(data)
                    whole += data
                answer = server.recv(1 << 20)
                written = b"EXEC" in whole and b"\r\nSET\r\n" in whole
                if written and self._chance.random() < 0.5:
                    self.lost += 1
                    return
                client.sendall(answer)

    def close(self) -> None:
        self._listening.close()


def test_a_transaction_whose_answer_is_lost_counts_once(definitions: Definitions) -> None:
    with closing(Lossy(shared_redis().port, random.Random(7))) as lossy:
        store, direct = fresh_pair(lossy.url)
        ingest = Ingest(definitions, store)
        for n in range(20):
            counts = ingest.take([departure(f"{n}", float(n)), departure(f"{n}", float(n))])
            assert counts == (1, 1, 0, [])
        assert lossy.lost > 3
        progress = Ingest(definitions, direct).progress()["departure"]
        assert (progress.accepted, progress.duplicates) == (20, 20)
        assert len(history(definitions, direct, "delays", ("JFK",))) == 20
        store.close()
        direct.close()


def fresh_pair(url: str) -> tuple[OnlineStore, OnlineStore]:
    """One graph's store, through another address and directly."""
    graph = ("project", f"pair{url}")
    return open_store(url, graph), open_store(shared_redis().url, graph)


def count_up(rows: Rows) -> int:
    count = int(rows.state(b"count") or b"0") + 1
    rows.keep(b"count", b"%d" % count)
    return count


def test_writers_that_meet_all_get_through(definitions: Definitions) -> None:
    graph = ("project", "meeting")

    def write() -> None:
        store = open_store(shared_redis().url, graph)
        for _ in range(40):
            store.update(count_up)
        store.close()

    assert [join(pid) for pid in [fork(write) for _ in range(4)]] == [0] * 4
    store = open_store(shared_redis().url, graph)
    assert store.state(b"count") == b"160"
    store.close()


def test_a_long_transaction_gets_its_turn() -> None:
    graph, ended = ("project", "turns"), threading.Event()

    def write() -> None:
        store = open_store(shared_redis().url, graph)
        while not ended.is_set():
            store.update(count_up)
        store.close()

    def long(rows: Rows) -> int:
        count = count_up(rows)
        time.sleep(0.1)  # others would write meanwhile
        return count

    writers = [threading.Thread(target=write) for _ in range(2)]
    for thread in writers:
        thread.start()
    store = open_store(shared_redis().url, graph)
    try:
        start = time.monotonic()
        assert store.update(long) > 1
        assert time.monotonic() - start < 10
    finally:
        ended.set()
        for thread in writers:
            thread.join()
    store.close()


def test_a_writer_that_is_killed_leaves_whole_batches(definitions: Definitions) -> None:
    chance = random.Random(3)
    events = [departure(f"{n}", n / 4, delay=n / 10) for n in range(200)]
    whole = fresh(shared_redis().url)
    Ingest(definitions, whole).take(events)
    for crash in range(CRASHES):
        graph = ("project", f"crash{crash}")

        def write(graph: tuple[str, str] = graph) -> None:
            store = open_store(shared_redis().url, graph)
            for first in range(0, len(events), 10):
                Ingest(definitions, store).take(events[first : first + 10])

        pid = fork(write)
        time.sleep(chance.uniform(0.0, 0.4))
        with suppress(AssertionError):  # it may have been through
            kill(pid)
        store = open_store(shared_redis().url, graph)
        before = Ingest(definitions, store).progress()["departure"].accepted
        assert before % 10 == 0
        write()
        assert Ingest(definitions, store).progress()["departure"].accepted == len(events)
        for key in ("delays", ("JFK",)), ("gates", ("JFK", 1.0)):
            assert history(definitions, store, *key) == history(definitions, whole, *key)
        store.close()
    whole.close()


def test_a_restart_in_the_midst_of_ingesting_loses_and_doubles_nothing(
    server: RedisServer, definitions: Definitions
) -> None:
    store = open_store(server.url, GRAPH)
    ingest = Ingest(definitions, store)
    events = [departure(f"{n}", n / 4) for n in range(300)]
    killer = threading.Timer(0.2, server.kill)
    killer.start()
    refused = 0
    for first in range(0, len(events), 3):
        while True:
            try:
                ingest.take(events[first : first + 3])
                break
            except StoreUnavailable:
                refused += 1
                killer.join()
                server.start()
    killer.join()
    assert refused <= 2
    assert ingest.progress()["departure"].accepted == len(events)
    assert len(history(definitions, store, "delays", ("JFK",))) == len(events)
    store.close()


def test_no_secret_is_in_an_error() -> None:
    with closing(RedisServer("--requirepass", "hidden")) as server:
        good = filled(f"redis://:hidden@127.0.0.1:{server.port}/0")
        good.close()
        for secret in ("wr0ng", "p%40ss"):
            store = open_store(f"redis://me:{secret}@127.0.0.1:{server.port}/0", GRAPH)
            with pytest.raises(StoreUnavailable, match="AuthenticationError") as told:
                store.layout("weather")
            assert secret not in str(told.value)
            assert "hidden" not in repr(told.value)
            store.close()
    away = open_store(f"redis://me:secret@127.0.0.1:{free_port()}/0", GRAPH)
    with pytest.raises(StoreUnavailable) as told:
        away.layout("weather")
    assert "secret" not in str(told.value)
    for url in ("redis://me:secret@h/0?timeout=-1", "redis://me:secret@h/0?tmeout=secret",
                "redis://me:secret@h/x", "redis://me:secret@h:port/0",
                "redis://me:secret@h/0?timeout=soon"):  # fmt: skip
        with pytest.raises(DeclarationError) as wrong:
            open_store(url, GRAPH)
        assert "secret" not in str(wrong.value)


def test_a_server_that_deletes_what_does_not_fit_is_refused() -> None:
    arguments = ("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
    with closing(RedisServer(*arguments)) as server:
        store = open_store(server.url, GRAPH)
        with pytest.raises(DeclarationError, match=r"allkeys-lru.*noeviction"):
            store.put_many(LAYOUT, [ROW])
        store.close()


def is_full(store: OnlineStore, batch: list[Row]) -> bool:
    try:
        return store.put_many(LAYOUT, batch) != len(batch)
    except StoreUnavailable as error:
        return "OutOfMemory" in str(error)


def test_a_full_memory_refuses_whole_batches() -> None:
    with closing(RedisServer("--maxmemory", "3mb")) as server:
        store = filled(server.url)
        rows: list[Row] = [((f"K{n}",), 1.0, [0.5]) for n in range(20_000)]
        batches = [rows[first : first + 2000] for first in range(0, len(rows), 2000)]
        refused = next(batch for batch in batches if is_full(store, batch))
        asked = [("weather", key) for key, _, _ in refused]
        assert store.get_many(asked, 1.0) == [None] * len(asked)
        store.close()


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    import redis

    client = redis.Redis(port=shared_redis().port)
    client.set("sluice:{project/newer}:head", b'{"format": 2, "what": 1}')
    store = open_store(shared_redis().url, ("project", "newer"))
    with pytest.raises(DeclarationError, match=r"is of format 2.*upgrade Sluice"):
        store.get_many(KEY, 1.0)
    with pytest.raises(DeclarationError, match="is of format 2"):
        store.put_many(LAYOUT, [ROW])
    store.close()
    client.close()
