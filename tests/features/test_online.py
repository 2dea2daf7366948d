"""Entities that other stores keep: what is asked of them, and what stands in when they fail."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sluice.batch.typed import REASONS
from sluice.errors import DeclarationError
from sluice.features.definitions import Definitions, read_definitions
from sluice.features.feast import FeastReader
from sluice.features.lookup import Lookup
from sluice.features.materialise import materialise
from sluice.features.mlrun_vector import MlrunReader
from sluice.features.online import Beside, beside
from sluice.features.source import load_sources
from sluice.features.store import OnlineStore, layout_of, open_store
from sluice.features.table import TableLookup

FEATURES = """
format: 1
record:
  driver: {type: integer, required: true}
entities:
  drivers:
    online: ONLINE
    timeout: 500ms
    keys: {driver_id: driver}
    max_age: 2h
    features:
      rate: {type: number, default: 0.25}
      trips: {type: integer, default: 0}
      city: {type: string, default: nowhere}
"""
NAMES = ["drivers.rate", "drivers.trips", "drivers.city"]
Opener = Callable[[Definitions, str], OnlineStore]
NOON = 1_704_110_400.0  # 2024-01-01T12:00:00Z


def definitions(folder: Path, online: str = "feast:drivers", **changes: str) -> Definitions:
    text = FEATURES.replace("ONLINE", online)
    for old, new in changes.items():
        text = text.replace(f"    {old}:", new)
    (folder / "features.yaml").write_text(text, "utf-8")
    return read_definitions(folder / "features.yaml", folder)


class FeastServer(ThreadingHTTPServer):
    """What a feature server of Feast 0.67 answers to the driver of each case."""

    daemon_threads = True
    status = 200
    wait: threading.Event | None = None
    more = 0  # on top of the trips of each

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[Any] = []
        self.connections = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FeastServer

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads it."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append((self.path, body))
        if self.server.wait is not None:
            self.server.wait.wait(10)
        keys = body["entities"]["driver_id"]
        there: dict[int, Any] = {1001: ("2024-01-01T12:00:00Z", [0.5, 3, "Bonn"])}
        there[1002] = ("2024-01-01T13:00:00Z", [None, 4, "Köln"])
        times = [there.get(k, ("1970-01-01T00:00:00Z", []))[0] for k in keys]
        results = [{"values": keys, "statuses": ["PRESENT"] * len(keys), "event_timestamps": times}]
        for place in range(3):
            values = [there[k][1][place] if k in there else None for k in keys]
            if place == 1:
                values = [None if v is None else v + self.server.more for v in values]
            statuses = ["PRESENT" if k in there else "NOT_FOUND" for k in keys]
            results.append({"values": values, "statuses": statuses, "event_timestamps": times})
        names = ["driver_id", "rate", "trips", "city"]
        said: Any = {"results": results, "metadata": {"feature_names": names}}
        data = json.dumps(said if self.server.status == 200 else {"detail": "no such view"})
        self.send_response(self.server.status)
        self.send_header("content-length", str(len(data.encode())))
        self.end_headers()
        self.wfile.write(data.encode())


@pytest.fixture
def feast() -> Iterator[FeastServer]:
    with running() as server:
        yield server


@contextmanager
def running() -> Iterator[FeastServer]:
    server = FeastServer()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[OnlineStore]:
    store = open_store(tmp_path / "features", ("p", "g"))
    yield store
    store.close()


@pytest.fixture
def opened(own: OnlineStore) -> Iterator[Opener]:
    """Opens the store of declared entities, and closes it."""
    stores: list[OnlineStore] = []

    def make(declared: Definitions, url: str) -> OnlineStore:
        stores.append(beside(own, declared, url))
        return stores[-1]

    yield make
    for store in stores:
        store.close()


def looked(store: OnlineStore, declared: Definitions, *drivers: float, now: float) -> Any:
    lookup = Lookup(declared, NAMES, store)
    return lookup.rows([[d] for d in drivers], [now] * len(drivers))


def test_one_request_for_many_records(tmp_path: Path, opened: Opener, feast: FeastServer) -> None:
    declared = definitions(tmp_path)
    store = opened(declared, feast.url)
    found = looked(store, declared, 1001.0, 1002.0, 1001.0, 7.0, now=NOON + 3600)
    assert [f.values for f in found] == [
        [0.5, 3.0, "Bonn"], [0.25, 4.0, "Köln"], [0.5, 3.0, "Bonn"], [0.25, 0.0, "nowhere"],
    ]  # fmt: skip
    assert found[1].defaulted == {"drivers.rate": "null"}
    assert found[3].defaulted == dict.fromkeys(NAMES, "missing")
    assert [f.ages for f in found] == [{"drivers": 3600}, {"drivers": 0}, {"drivers": 3600}, {}]
    [(path, body)] = feast.asked
    assert path == "/get-online-features"
    assert body["entities"] == {"driver_id": [1001, 1002, 7]}
    assert body["features"] == ["drivers:rate", "drivers:trips", "drivers:city"]
    looked(store, declared, 1001.0, now=NOON)
    assert feast.connections == 1


def test_a_row_that_is_later_or_too_old_is_not_used(
    tmp_path: Path, opened: Opener, feast: FeastServer
) -> None:
    declared = definitions(tmp_path)
    store = opened(declared, feast.url)
    assert looked(store, declared, 1001.0, now=NOON - 1)[0].defaulted["drivers.rate"] == "missing"
    [old] = looked(store, declared, 1001.0, now=NOON + 7201)
    assert old.defaulted == dict.fromkeys(NAMES, "stale")


def test_tables_look_up_the_same(tmp_path: Path, opened: Opener, feast: FeastServer) -> None:
    declared = definitions(tmp_path)
    store = opened(declared, feast.url)
    drivers = np.array([1001.0, 1002.0, 7.0, 1001.0])
    moments = np.array([NOON, NOON + 3600, NOON, NOON - 1])
    columns = TableLookup(declared, NAMES, store).columns({"driver": drivers}, moments)
    assert len(feast.asked) == 1
    lookup = Lookup(declared, NAMES, store).rows([[d] for d in drivers], moments.tolist())
    for place, name in enumerate(NAMES):
        column = columns.values[name]
        assert column.tolist() == [f.values[place] for f in lookup]
        why = [REASONS[code] or None for code in columns.why[name]]
        assert why == [f.defaulted.get(name) for f in lookup]


@pytest.mark.parametrize("how", ["away", "late", "broken"])
def test_while_a_store_is_away_its_defaults_stand_in(
    how: str, tmp_path: Path, opened: Opener, caplog: pytest.LogCaptureFixture
) -> None:
    declared = definitions(tmp_path, timeout="    timeout: 100ms #")
    with running() as feast:
        store = opened(declared, feast.url)
        assert looked(store, declared, 1001.0, now=NOON)[0].values[0] == 0.5
        if how == "late":
            feast.wait = threading.Event()
        if how == "broken":
            feast.status = 500
        if how == "away":
            store = opened(declared, "http://127.0.0.1:1")
        for _ in range(2):
            [found] = looked(store, declared, 1001.0, now=NOON)
            assert found.defaulted == dict.fromkeys(NAMES, "missing")
        assert sum("takes its defaults" in r.message for r in caplog.records) == 1
        if feast.wait is not None:
            feast.wait.set()


def test_it_comes_back(tmp_path: Path, opened: Opener, feast: FeastServer) -> None:
    declared = definitions(tmp_path)
    store = opened(declared, feast.url)
    feast.status = 503
    assert looked(store, declared, 1001.0, now=NOON)[0].defaulted
    feast.status = 200
    assert not looked(store, declared, 1001.0, now=NOON)[0].defaulted


def test_what_feast_does_not_have_is_an_error(
    tmp_path: Path, opened: Opener, feast: FeastServer
) -> None:
    declared = definitions(tmp_path)
    feast.status = 404
    with pytest.raises(DeclarationError, match="Feast answers 404: no such view"):
        looked(opened(declared, feast.url), declared, 1001.0, now=NOON)
    feast.status = 200
    text = (tmp_path / "features.yaml").read_text("utf-8")
    text = text.replace("city: {type: string, default: nowhere}", "city: {type: number}")
    (tmp_path / "features.yaml").write_text(text, "utf-8")
    wrong = read_definitions(tmp_path / "features.yaml", tmp_path)
    with pytest.raises(DeclarationError, match=r"features.city: .* has 'Bonn', expected a number"):
        looked(opened(wrong, feast.url), wrong, 1001.0, now=NOON)


class Vector:
    """A stand-in for MLRun's OnlineVectorService."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.closed = list(answers), False
        self.asked: list[Any] = []

    def get(self, rows: list[dict[str, Any]]) -> Any:
        self.asked.append(rows)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, threading.Event):
            answer.wait(10)
            return [None] * len(rows)
        return answer

    def close(self) -> None:
        self.closed = True


def vector_store(own: OnlineStore, declared: Definitions, vector: Vector) -> OnlineStore:
    layout = layout_of(declared, "drivers")
    timeout = declared.entities["drivers"].timeout
    reader = MlrunReader("shop/drivers", layout, timeout, lambda name: vector)
    return Beside(own, {"drivers": reader}, {"drivers": layout})


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
    assert vector.closed


def test_a_vector_that_fails_or_is_late(tmp_path: Path, own: OnlineStore) -> None:
    late = threading.Event()
    untimed = {"max_age": "    owner: us #", "timeout": "    timeout: 50ms #"}
    declared = definitions(tmp_path, "mlrun:shop/drivers", **untimed)
    row = {"rate": 0.5, "trips": 3, "city": "Bonn"}
    vector = Vector([row], RuntimeError("no table"), late, [], [{"rate": 0.5}])
    store = vector_store(own, declared, vector)
    [found] = looked(store, declared, 1001.0, now=NOON)
    assert (found.values[0], found.ages) == (0.5, {})
    for _ in range(2):
        assert looked(store, declared, 1001.0, now=NOON)[0].defaulted
    late.set()
    assert looked(store, declared, 1001.0, now=NOON)[0].defaulted
    with pytest.raises(DeclarationError, match=r"features\.trips: feature vector shop/drivers has"):
        looked(store, declared, 1001.0, now=NOON)
    store.close()


@pytest.mark.parametrize(
    ("online", "changes", "problem"),
    [
        ("feast", {}, "no store 'feast' (feast:VIEW or mlrun:PROJECT/VECTOR)"),
        ("hopsworks:x", {}, "no store 'hopsworks:x'"),
        ("feast:x", {"timeout": "    retention: 3d #"}, "retention: is for rows that this graph"),
        ("mlrun:p/x", {}, "max_age: needs a timestamp"),
    ],
)
def test_declarations(tmp_path: Path, online: str, changes: Any, problem: str) -> None:
    with pytest.raises(DeclarationError) as error:
        definitions(tmp_path, online, **changes)
    assert problem in str(error.value)


def test_it_is_read_only_and_has_no_history(tmp_path: Path, own: OnlineStore) -> None:
    declared = definitions(tmp_path)
    assert materialise(declared, tmp_path, own, progress=False) == {}
    with pytest.raises(DeclarationError, match="another store fills it"):
        materialise(declared, tmp_path, own, entities=["drivers"], progress=False)
    with pytest.raises(DeclarationError, match="source: is missing: training needs it"):
        load_sources(declared, tmp_path, ["drivers"])
    with pytest.raises(DeclarationError, match="no feature server is named"):
        beside(own, declared, "")
    for url in ("redis://x", "http://"):
        with pytest.raises(DeclarationError, match="no feature server"):
            FeastReader(url, "drivers", layout_of(declared, "drivers"), 1.0)
