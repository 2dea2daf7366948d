"""DynamoDB: its table, transactions of any size, and what its errors say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from sluice.errors import DeclarationError, SluiceError, StoreUnavailable
from sluice.features.definitions import Definitions
from sluice.features.ingest import Ingest
from sluice.features.store import Layout, OnlineStore, Row, open_store
from tests.features import delays
from tests.features.delays import departure, history
from tests.servers import ACCESS, REGION, aws, client, empty_aws, free_port, let_in, name_of

GRAPH = ("project", "graph")
LAYOUT = Layout("weather", "s", "time", (("key", "string"),), (("temp", "number"),))


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    let_in(monkeypatch)
    empty_aws()


@pytest.fixture
def table(tmp_path: Path) -> str:
    return name_of(tmp_path)


@pytest.fixture
def store(table: str) -> Iterator[OnlineStore]:
    store = open_store(f"dynamodb://{REGION}/{table}?endpoint={aws()}&timeout=5", GRAPH)
    yield store
    store.close()


@pytest.fixture
def definitions(tmp_path: Path) -> Definitions:
    return delays.declared(tmp_path)


def rows(n: int) -> list[Row]:
    return [((f"K{i}",), 1.0, [float(i)]) for i in range(n)]


def test_a_missing_table_is_made_and_paid_by_request(store: OnlineStore, table: str) -> None:
    assert store.layout("weather") is None
    found = client("dynamodb").describe_table(TableName=table)["Table"]
    assert found["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert {key["AttributeName"]: key["KeyType"] for key in found["KeySchema"]} == {
        "shelf": "HASH",
        "at": "RANGE",
    }


class Watched:
    """The SDK's client, with a count of the calls."""

    def __init__(self, inner: Any) -> None:
        self._inner, self.calls = inner, list[str]()

    def __getattr__(self, name: str) -> Any:
        self.calls.append(name)
        return getattr(self._inner, name)


def watched(store: OnlineStore) -> Watched:
    clients = store._shelves._items._clients  # type: ignore[attr-defined]
    made = Watched(clients[1])
    clients._clients = (clients[0], made)
    return made


@pytest.mark.parametrize(("n", "at_once"), [(40, True), (300, False)])
def test_a_small_transaction_is_one_of_the_service_and_a_large_one_is_journalled(
    store: OnlineStore, table: str, n: int, at_once: bool
) -> None:
    store.publish(LAYOUT)
    seen = watched(store)
    store.put_many(LAYOUT, rows(n))
    assert ("transact_write_items" in seen.calls) is at_once
    assert ("batch_write_item" in seen.calls) is not at_once
    asked = [("weather", key) for key, _, _ in rows(n)[::17]]
    assert None not in store.get_many(asked, 1.0)
    left = client("dynamodb").scan(TableName=table, FilterExpression="contains(shelf, :j)",
                                   ExpressionAttributeValues={":j": {"B": b"graphj"}})  # fmt: skip
    assert left["Count"] == 0


def test_events_are_ingested_once_in_whatever_order(
    store: OnlineStore, definitions: Definitions
) -> None:
    events = [departure(f"{n}", n / 4, delay=0.1) for n in range(12)]
    ingest = Ingest(definitions, store)
    assert ingest.take(events[::-1]) == (12, 0, 0, [])
    assert ingest.take(events) == (0, 12, 0, [])
    found = history(definitions, store, "delays", ("JFK",))
    assert [moment for moment, _ in found] == [n / 4 for n in range(12)][::-1]


class Busy(Watched):
    """Takes half of what is written each time; its first transactions meet others'."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self.conflicts = 2

    def batch_write_item(self, **fields: dict[str, Sequence[Any]]) -> Any:
        [(table, requests)] = fields["RequestItems"].items()
        half = len(requests) // 2 + 1
        answer = self._inner.batch_write_item(RequestItems={table: list(requests[:half])})
        return {**answer, "UnprocessedItems": {table: list(requests[half:])}}

    def transact_write_items(self, **fields: Any) -> Any:
        self.conflicts -= 1
        if self.conflicts < 0:
            return self._inner.transact_write_items(**fields)
        error = {"Error": {"Code": "TransactionCanceledException", "Message": "conflict"}}
        raise self._inner.exceptions.TransactionCanceledException(error, "TransactWriteItems")


def test_what_the_service_does_not_take_at_first_is_sent_again(store: OnlineStore) -> None:
    store.publish(LAYOUT)
    clients = store._shelves._items._clients  # type: ignore[attr-defined]
    clients._clients = (clients[0], Busy(clients[1]))
    for n in (10, 150):
        assert store.put_many(LAYOUT, rows(n)) == n
        assert None not in store.get_many([("weather", key) for key, _, _ in rows(n)], 1.0)


def test_a_value_has_a_limit(store: OnlineStore) -> None:
    with pytest.raises(SluiceError, match="290000 bytes at most"):
        store.update(lambda rows: rows.keep(b"n", b"v" * 290_001))
    store.update(lambda rows: rows.keep(b"n", b"v" * 290_000))
    assert store.state(b"n") == b"v" * 290_000


def test_errors_say_what_would_do_and_no_secret() -> None:
    away = open_store(f"dynamodb://{REGION}/t?endpoint=http://127.0.0.1:{free_port()}", GRAPH)
    with pytest.raises(StoreUnavailable, match=r"dynamodb://eu-central-1/t: Endpoint") as told:
        away.layout("weather")
    assert ACCESS["aws_secret_access_key"] not in str(told.value)
    away.close()
    for url, problem in {
        f"dynamodb://{REGION}": "names no region and table",
        f"dynamodb://{REGION}/t?timout=1": "has no option 'timout'.*'timeout'",
    }.items():
        with pytest.raises(DeclarationError, match=problem):
            open_store(url, GRAPH)


def test_the_items_of_a_page_are_all_read(store: OnlineStore) -> None:
    text = "x" * 10_000
    layout = Layout("notes", "s", "time", (("key", "string"),), (("text", "string"),))
    told: list[Row] = [(("K",), float(t), [text]) for t in range(150)]  # a page has 1 MB
    store.put_many(layout, told)
    store.publish(layout)
    assert len(store.update(lambda r: r.around(layout, ("K",), -1.0))[0]) == 150
