"""V3IO: answers that are lost, a service that is away or refuses, and no key in any text."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from sluice.errors import DeclarationError, SluiceError, StoreUnavailable
from sluice.features.ingest import Ingest
from sluice.features.remote import RemoteStore
from sluice.features.store import Layout, Row
from sluice.features.v3io import open_v3io
from tests.features import delays
from tests.features.delays import departure, history
from tests.features.v3io_tables import TableServer, url, variables
from tests.servers import free_port
from tests.streams.v3io_server import KEY

GRAPH = ("project", "graph")
LAYOUT = Layout("weather", "s", "time", (("key", "string"),), (("temp", "number"),))
ROW: Row = (("JFK",), 1.0, [0.1])
ASKED = [("weather", ("JFK",))]


@pytest.fixture
def server() -> Iterator[TableServer]:
    with closing(TableServer(time)) as server:
        yield server


@pytest.fixture
def store(server: TableServer) -> Iterator[RemoteStore]:
    store = open_v3io(url("features"), GRAPH, variables(server))
    yield store
    store.close()


def filled(store: RemoteStore) -> None:
    store.put_many(LAYOUT, [ROW])
    store.publish(LAYOUT)


def test_values_that_look_like_the_sdks_arrays_come_back_as_they_are(store: RemoteStore) -> None:
    def keep(value: bytes) -> bytes | None:
        store.update(lambda rows: rows.keep(b"a", value))
        return store.state(b"a")

    for value in (b"", b"\0", b"\0" * 64, b"d" * 16, bytes(range(256)), b"l" + b"\0" * 23):
        assert keep(value) == value


@pytest.mark.parametrize("how", ["lost", 503])
@pytest.mark.parametrize("function", ["PutItem", "GetItems", "GetItem"])
def test_what_fails_once_is_done_once(
    store: RemoteStore, server: TableServer, function: str, how: str | int
) -> None:
    filled(store)
    told: list[str] = []
    for n in range(8):
        server.fail(function, how)
        try:
            store.put_many(LAYOUT, [(("JFK",), 2.0 + n, [float(n)])])
        except StoreUnavailable as error:
            told.append(str(error))
        server.faults.clear()
        if not store._shelves._items.read_head().pending:  # type: ignore[attr-defined]
            store.put_many(LAYOUT, [(("JFK",), 2.0 + n, [float(n)])])
            assert store.get_many(ASKED, 99.0) == [(2.0 + n, [float(n)])]
    assert all("v3io://projects/features" in text and KEY not in text for text in told)


def test_events_are_ingested_once_in_whatever_order(
    store: RemoteStore, tmp_path_factory: pytest.TempPathFactory
) -> None:
    definitions = delays.declared(tmp_path_factory.mktemp("definitions"))
    events = [departure(f"{n}", n / 4, delay=0.1) for n in range(12)]
    ingest = Ingest(definitions, store)
    assert ingest.take(events[::-1]) == (12, 0, 0, [])
    assert ingest.take(events) == (0, 12, 0, [])
    found = history(definitions, store, "delays", ("JFK",))
    assert [moment for moment, _ in found] == [n / 4 for n in range(12)][::-1]


def test_a_service_that_is_away_is_given_up_in_time(server: TableServer) -> None:
    store = open_v3io(url("away?timeout=0.3"), GRAPH, variables(server))
    filled(store)
    away = dict(variables(server), V3IO_API=f"127.0.0.1:{free_port()}")
    nowhere = open_v3io(url("away"), GRAPH, away)
    with pytest.raises(StoreUnavailable, match="ConnectionRefusedError; is V3IO_API right"):
        nowhere.layout("weather")
    with server.lock:  # it takes connections, and answers nothing
        start = time.monotonic()
        with pytest.raises(StoreUnavailable, match="imeout"):
            store.get_many(ASKED, 2.0)
        assert 0.2 < time.monotonic() - start < 1.5
    assert store.get_many(ASKED, 2.0) == [(1.0, [0.1])]
    store.close()
    nowhere.close()


def test_a_refusal_says_why_and_shows_no_key(store: RemoteStore, server: TableServer) -> None:
    secret = dict(variables(server), V3IO_ACCESS_KEY="another secret")
    refused = open_v3io(url("features"), GRAPH, secret)
    with pytest.raises(StoreUnavailable, match=r"401 Permission denied.*V3IO_ACCESS_KEY") as told:
        refused.layout("weather")
    assert "secret" not in str(told.value)
    refused.close()
    with pytest.raises(SluiceError, match="a name of 100 bytes"):
        store.update(lambda rows: rows.keep(b"n" * 101, b""))
    with pytest.raises(SluiceError, match="a value of 39000 at most"):
        store.update(lambda rows: rows.keep(b"n", b"v" * 39_001))
    store.update(lambda rows: rows.keep(b"n" * 100, b"v" * 39_000))
    assert store.state(b"n" * 100) == b"v" * 39_000


@pytest.mark.parametrize(
    ("address", "known", "problem"),
    [
        ("v3io://projects", {}, "names no container and path"),
        ("v3io://projects/f", {}, "V3IO_API is missing"),
        ("v3io://projects/f", {"V3IO_API": "h:1"}, "V3IO_ACCESS_KEY is missing"),
        ("v3io://projects/f?key=secret", {}, "has no option 'key'"),
    ],
)
def test_what_is_missing_is_named(address: str, known: dict[str, str], problem: str) -> None:
    with pytest.raises(DeclarationError, match=problem) as told:
        open_v3io(address, GRAPH, known)
    assert "secret" not in str(told.value)
