"""Online features in DynamoDB: `dynamodb://region/table`.

One table for all graphs, made when it is missing and paid by request. Its items:

    shelf (binary, partition key)   project and graph, msgpack, then the shelf's name
    at (binary, sort key)           the place; the head has the shelf "h"
    value (binary)

A key's rows are one partition, sorted from new to old, so the newest row at or before a time is a
query for one item; several keys are asked about by several threads. Reads are consistent.
A transaction of up to 99 items is one of DynamoDB's, a larger one is journalled (journal.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from botocore.exceptions import ClientError

from sluice import aws
from sluice.address import Address, Option, read_address
from sluice.errors import SluiceError, StoreUnavailable
from sluice.features.journal import Journalled, Write
from sluice.features.parallel import Parallel
from sluice.features.remote import RemoteStore
from sluice.features.shelves import Head, Item, Range, decode_head, encode_head

OPTIONS: Mapping[str, Option] = {"endpoint": "", "timeout": 0.5}
_WRITE_TIMEOUT_S = 2.0  # twice to connect and twice to wait, as journal.py has it
_THREADS = 10
_AT_ONCE, _AT_ONCE_BYTES = 99, 3_000_000  # of a transaction, beside the head
_LARGEST = 290_000  # bytes of a value: a piece of a journal has to hold it
_BATCH = 25  # items of one BatchWriteItem
_PAUSE_S, _CREATION_S = 0.1, 60.0
_CONFLICTS = ("TransactionCanceledException", "TransactionConflictException")
_HEAD, _ONLY = b"h", b"\0"
_KEYS = (("shelf", "HASH"), ("at", "RANGE"))


def open_dynamodb(url: str, prefix: tuple[str, str]) -> RemoteStore:
    """The store of a graph at a URL, without connecting to it. Raises DeclarationError.

    Options: `endpoint`, another address than AWS's own; `timeout`, seconds to connect and until
    what is read is answered (0.5), each tried twice.
    """
    items = DynamoItems(read_address(url, "feature store", OPTIONS), prefix)
    return RemoteStore(Journalled(items), prefix)


class DynamoItems:
    """The items of a graph in a table; see Items."""

    piece = 300_000

    def __init__(
        self,
        address: Address,
        prefix: tuple[str, str],
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if not address.host or len(address.names) != 1:
            raise address.error("names no region and table", "dynamodb://region/table")
        self._address, self._now, self._sleep = address, now, sleep
        self._table, self._prefix = address.names[0], msgspec.msgpack.encode(prefix)
        self._parallel = Parallel(_THREADS)
        waits = (address.options["timeout"], _WRITE_TIMEOUT_S)
        self._clients = aws.Clients("dynamodb", address, address.host, waits, _THREADS)

    @property
    def _writer(self) -> Any:
        return self._clients[1]

    def __str__(self) -> str:
        return str(self._address)

    def read_head(self) -> Head:
        """See Items."""
        with aws.errors(self._address):
            try:
                key = self._key(_HEAD, _ONLY)
                found = self._clients[0].get_item(
                    TableName=self._table, Key=key, ConsistentRead=True
                )
            except ClientError as error:
                if aws.code(error) != "ResourceNotFoundException":
                    raise
                self._create()
                return Head()
        item = found.get("Item")
        return decode_head(None if item is None else bytes(item["value"]["B"]), self)

    def swap(self, head: Head, new: Head) -> bool:
        """See Items."""
        with aws.errors(self._address):
            try:
                self._writer.put_item(**self._conditional(head, new))
            except ClientError as error:
                if aws.code(error) == "ConditionalCheckFailedException":
                    return False
                raise
        return True

    def at_once(self, head: Head, new: Head, writes: Sequence[Write]) -> bool | None:
        """See Items. Raises SluiceError for what an item cannot hold."""
        if not writes:
            return self.swap(head, new)
        if any(len(value or b"") > _LARGEST for _, _, value in writes):
            raise SluiceError(f"{self}: a value has {_LARGEST} bytes at most")
        size = sum(len(shelf) + len(at) + len(value or b"") for shelf, at, value in writes)
        if len(writes) > _AT_ONCE or size > _AT_ONCE_BYTES:
            return None
        actions = [{"Put": self._conditional(head, new)}, *map(self._action, writes)]
        try:
            with aws.errors(self._address):
                return self._transact(actions)
        except StoreUnavailable:
            return False  # it may be done: the head tells

    def ranges(self, asked: Sequence[Range]) -> list[list[Item]]:
        """See Shelves."""
        with aws.errors(self._address):
            reader = self._clients[0]
            return self._parallel.map(lambda each: self._range(reader, each), asked)

    def write(self, writes: Sequence[Write], end: float) -> None:
        """See Items."""
        batches = [writes[n : n + _BATCH] for n in range(0, len(writes), _BATCH)]
        with aws.errors(self._address):
            writer = self._writer
            self._parallel.map(lambda batch: self._write(writer, batch, end), batches)

    def close(self) -> None:
        """See Items."""
        self._parallel.close()
        self._clients.close()

    def _transact(self, actions: Sequence[dict[str, Any]]) -> bool:
        try:
            self._writer.transact_write_items(TransactItems=actions)
        except ClientError as error:
            if aws.code(error) in _CONFLICTS:
                return False
            raise
        return True

    def _key(self, shelf: bytes, at: bytes) -> dict[str, Any]:
        return {"shelf": {"B": self._prefix + shelf}, "at": {"B": at}}

    def _conditional(self, head: Head, new: Head) -> dict[str, Any]:
        item = {**self._key(_HEAD, _ONLY), "value": {"B": encode_head(new)}}
        item["number"] = {"N": str(new.number)}
        put = {"TableName": self._table, "Item": item}
        if head == Head():
            return {**put, "ConditionExpression": "attribute_not_exists(shelf)"}
        number = {":number": {"N": str(head.number)}}
        condition = {"ConditionExpression": "#n = :number"}
        names = {"ExpressionAttributeNames": {"#n": "number"}}
        return {**put, **condition, **names, "ExpressionAttributeValues": number}

    def _action(self, write: Write) -> dict[str, Any]:
        shelf, at, value = write
        key = self._key(shelf, at)
        if value is None:
            return {"Delete": {"TableName": self._table, "Key": key}}
        return {"Put": {"TableName": self._table, "Item": {**key, "value": {"B": value}}}}

    def _request(self, write: Write) -> dict[str, Any]:
        [(kind, fields)] = self._action(write).items()
        return {f"{kind}Request": {n: v for n, v in fields.items() if n != "TableName"}}

    def _write(self, writer: Any, writes: Sequence[Write], end: float) -> None:
        left = list(map(self._request, writes))
        while left:
            if self._now() >= end:
                raise StoreUnavailable(f"{self}: does not take what is written in time")
            answer = writer.batch_write_item(RequestItems={self._table: left})
            left = answer.get("UnprocessedItems", {}).get(self._table, [])
            if left:
                self._sleep(_PAUSE_S)

    def _range(self, reader: Any, asked: Range) -> list[Item]:
        items: list[Item] = []
        page: dict[str, Any] = {}
        while len(items) < asked.limit:
            # Both ends of BETWEEN count, and `end` does not.
            most = min(asked.limit - len(items) + (asked.end is not None), 1000)
            answer = reader.query(**self._query(asked), Limit=most, **page)
            found = [Item(bytes(i["at"]["B"]), bytes(i["value"]["B"])) for i in answer["Items"]]
            items += [item for item in found if asked.holds(item.at)]
            if "LastEvaluatedKey" not in answer:
                break
            page = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}
        return items[: asked.limit]

    def _query(self, asked: Range) -> dict[str, Any]:
        values = {":shelf": {"B": self._prefix + asked.shelf}}
        values[":first"] = {"B": asked.first or _ONLY}
        places = "at >= :first"
        if asked.end is not None:
            values[":end"] = {"B": max(asked.end, asked.first or _ONLY)}
            places = "at BETWEEN :first AND :end"
        return {
            "TableName": self._table,
            "KeyConditionExpression": f"shelf = :shelf AND {places}",
            "ExpressionAttributeValues": values,
            "ConsistentRead": True,
        }

    def _create(self) -> None:
        """Make the table, unless somebody else just did; wait until it can be used."""
        types = [{"AttributeName": name, "AttributeType": "B"} for name, _ in _KEYS]
        keys = [{"AttributeName": name, "KeyType": kind} for name, kind in _KEYS]
        try:
            self._writer.create_table(
                TableName=self._table, AttributeDefinitions=types, KeySchema=keys,
                BillingMode="PAY_PER_REQUEST",
            )  # fmt: skip
        except ClientError as error:
            if aws.code(error) != "ResourceInUseException":
                raise
        end = self._now() + _CREATION_S
        while self._now() < end:
            table = self._writer.describe_table(TableName=self._table)["Table"]
            if table["TableStatus"] == "ACTIVE":
                return
            self._sleep(_PAUSE_S)
        raise StoreUnavailable(f"{self}: the table is being made; try again")
