"""A ledger in DynamoDB: `dynamodb://region/table`.

One table for all graphs, made when it is missing and paid by request; features may share it. Items:

    shelf (binary, partition key)   project, graph and memory, msgpack, then the kind and what of
    at (binary, sort key)           which page, mark or name

    head            number: the version; last
    sums            by bucket, in pages of the fields: an attribute each
    buckets         one each, so that they can be listed
    marks           by bucket; `until` is when the item may go
    notes           by name; value, until

A credit is one transaction: ADD to the sums, and the marks on condition that they are not there.
`until` is in seconds since the epoch: declare it as the table's time to live.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from zlib import crc32

import msgspec
from botocore.exceptions import ClientError

from sluice import aws
from sluice.address import Option, read_address
from sluice.errors import DeclarationError, StoreUnavailable
from sluice.routing.ledger import FORMAT, Credit, Head, Prefix
from sluice.streams import Clock

OPTIONS: Mapping[str, Option] = {"endpoint": "", "timeout": 2.0}
_PAGES = 16  # of a bucket's fields: an item and an expression hold so many
_BATCH, _READ = 25, 100  # items of one request, as DynamoDB has it
_KEYS = (("shelf", "HASH"), ("at", "RANGE"))
_PAUSE_S, _CREATION_S = 0.1, 60.0
_TRIES = 8  # of what was overtaken, or left over


class DynamoLedger:
    """A ledger in DynamoDB; see Ledger. `timeout`: seconds to connect, and until it answers.

    `clock` is what waits while others write, and for a table that is made.
    """

    most = 100 - _PAGES - 2

    def __init__(self, url: str, prefix: Prefix, clock: Clock = time) -> None:
        address = self._address = read_address(url, "rewards", OPTIONS)
        if not address.host or len(address.names) != 1:
            raise address.error("names no region and table", "dynamodb://region/table")
        self._table, self._begin = address.names[0], msgspec.msgpack.encode(prefix)
        self._clock = clock
        self._clients = aws.Clients("dynamodb", address, address.host, [address.options["timeout"]])

    def __str__(self) -> str:
        return str(self._address)

    def head(self, now: float) -> Head:
        """See Ledger."""
        set_once = "SET #l = if_not_exists(#l, :now), #f = if_not_exists(#f, :format)"
        update = self._update(b"head", b"h", set_once, {"#l": "last", "#f": "format"})
        update["ExpressionAttributeValues"] = {":now": _number(now), ":format": _number(FORMAT)}
        with aws.errors(self._address):
            try:
                found = self._client.update_item(**update, ReturnValues="ALL_NEW")["Attributes"]
            except ClientError as error:
                if aws.code(error) != "ResourceNotFoundException":
                    raise
                self._create()
                found = self._client.update_item(**update, ReturnValues="ALL_NEW")["Attributes"]
        if int(found["format"]["N"]) > FORMAT:
            hint = f"this Sluice reads up to {FORMAT}: use a newer one"
            raise DeclarationError("rewards", str(self), "is of a newer format", hint)
        version = int(found.get("version", {"N": "0"})["N"])
        return Head(version, float(found["last"]["N"]))

    def sums(self) -> dict[int, dict[str, int]]:
        """See Ledger."""
        with aws.errors(self._address):
            buckets = [int(item["at"]["B"]) for item in self._query(b"buckets")]
            found = {bucket: self._sums(bucket) for bucket in sorted(buckets)}
        return {bucket: sums for bucket, sums in found.items() if sums}

    def _sums(self, bucket: int) -> dict[str, int]:
        pages = self._query(b"sums %d" % bucket)
        return {
            name[1:]: int(value["N"])
            for page in pages
            for name, value in page.items()
            if name.startswith("=")
        }

    def credit(self, credit: Credit, keep_s: float, now: float) -> Sequence[str]:
        """See Ledger."""
        actions = [*self._marks(credit, now + keep_s), *self._additions(credit, now)]
        for _ in range(_TRIES):
            known = self._transact(actions, credit.marks)
            if known is not None:
                return known
            self._clock.sleep(_PAUSE_S)
        raise StoreUnavailable(f"{self}: other writers were always first")

    def _transact(self, actions: list[Any], marks: Sequence[str]) -> Sequence[str] | None:
        """The marks that are there already; None where another transaction was in the way."""
        with aws.errors(self._address):
            try:
                self._client.transact_write_items(TransactItems=actions)
            except ClientError as error:
                if aws.code(error) != "TransactionCanceledException":
                    raise
                reasons = error.response.get("CancellationReasons", [])
                return [
                    mark
                    for mark, reason in zip(marks, reasons, strict=False)
                    if reason.get("Code") == "ConditionalCheckFailed"
                ] or None
        return []

    def _marks(self, credit: Credit, until: float) -> Iterator[dict[str, Any]]:
        shelf = b"marks %d" % credit.bucket
        for mark in credit.marks:
            item = {**self._key(shelf, mark.encode()), "until": _number(math.ceil(until))}
            condition = "attribute_not_exists(shelf)"
            put = {"TableName": self._table, "Item": item, "ConditionExpression": condition}
            yield {"Put": put}

    def _additions(self, credit: Credit, now: float) -> Iterator[dict[str, Any]]:
        pages: dict[int, dict[str, int]] = {}
        for field, amount in credit.sums.items():
            pages.setdefault(crc32(field.encode()) % _PAGES, {})[field] = amount
        for page, sums in pages.items():
            names = {f"#{i}": "=" + field for i, field in enumerate(sums)}
            values = {f":{i}": _number(amount) for i, amount in enumerate(sums.values())}
            add = "ADD " + ", ".join(f"#{i} :{i}" for i in range(len(sums)))
            update = self._update(b"sums %d" % credit.bucket, b"%d" % page, add, names)
            yield {"Update": {**update, "ExpressionAttributeValues": values}}
        bucket = self._key(b"buckets", b"%d" % credit.bucket)
        yield {"Put": {"TableName": self._table, "Item": bucket}}
        names = {"#v": "version", "#l": "last"}
        head = self._update(b"head", b"h", "ADD #v :one SET #l = :now", names)
        yield {"Update": {**head, "ExpressionAttributeValues": {
            ":one": _number(1), ":now": _number(now)}}}  # fmt: skip

    def keep(self, notes: Mapping[str, bytes], keep_s: float, now: float) -> None:
        """See Ledger."""
        until = _number(math.ceil(now + keep_s))
        puts = [
            {"PutRequest": {"Item": {
                **self._key(b"note " + name.encode(), b"n"), "value": {"B": note}, "until": until}}}
            for name, note in notes.items()
        ]  # fmt: skip
        with aws.errors(self._address):
            for first in range(0, len(puts), _BATCH):
                self._write(puts[first : first + _BATCH])

    def notes(self, names: Sequence[str]) -> list[bytes | None]:
        """See Ledger."""
        found: dict[bytes, bytes] = {}
        keys = {name: self._key(b"note " + name.encode(), b"n") for name in names}
        wanted = list(keys.values())
        with aws.errors(self._address):
            for first in range(0, len(wanted), _READ):
                for item in self._read(wanted[first : first + _READ]):
                    found[bytes(item["shelf"]["B"])] = bytes(item["value"]["B"])
        return [found.get(keys[name]["shelf"]["B"]) for name in names]

    def forget(self, before: int, now: float) -> None:
        """See Ledger. Marks and notes go by the table's time to live."""
        with aws.errors(self._address):
            for item in list(self._query(b"buckets")):
                if (bucket := int(item["at"]["B"])) < before:
                    pages = [self._key(b"sums %d" % bucket, b"%d" % p) for p in range(_PAGES)]
                    for key in (*pages, self._key(b"buckets", b"%d" % bucket)):
                        self._client.delete_item(TableName=self._table, Key=key)

    def close(self) -> None:
        """See Ledger."""

    @property
    def _client(self) -> Any:
        return self._clients[0]

    def _key(self, shelf: bytes, at: bytes) -> dict[str, Any]:
        return {"shelf": {"B": self._begin + shelf}, "at": {"B": at}}

    def _update(
        self, shelf: bytes, at: bytes, expression: str, names: Mapping[str, str]
    ) -> dict[str, Any]:
        return {
            "TableName": self._table,
            "Key": self._key(shelf, at),
            "UpdateExpression": expression,
            "ExpressionAttributeNames": names,
        }

    def _query(self, shelf: bytes) -> Iterator[dict[str, Any]]:
        condition = {"ExpressionAttributeValues": {":s": {"B": self._begin + shelf}}}
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="shelf = :s",
            ConsistentRead=True,
            **condition,
        )
        for page in pages:
            yield from page["Items"]

    def _write(self, requests: list[Any]) -> None:
        for _ in range(_TRIES):
            left = self._client.batch_write_item(RequestItems={self._table: requests})
            requests = left.get("UnprocessedItems", {}).get(self._table, [])
            if not requests:
                return
            self._clock.sleep(_PAUSE_S)
        raise StoreUnavailable(f"{self}: {len(requests)} items were not taken")

    def _read(self, keys: list[Any]) -> Iterator[dict[str, Any]]:
        for _ in range(_TRIES):
            asked = {self._table: {"Keys": keys, "ConsistentRead": True}}
            found = self._client.batch_get_item(RequestItems=asked)
            yield from found["Responses"].get(self._table, [])
            keys = found.get("UnprocessedKeys", {}).get(self._table, {}).get("Keys", [])
            if not keys:
                return
            self._clock.sleep(_PAUSE_S)
        raise StoreUnavailable(f"{self}: {len(keys)} items were not read")

    def _create(self) -> None:
        try:
            self._client.create_table(
                TableName=self._table,
                AttributeDefinitions=[{"AttributeName": n, "AttributeType": "B"} for n, _ in _KEYS],
                KeySchema=[{"AttributeName": n, "KeyType": kind} for n, kind in _KEYS],
                BillingMode="PAY_PER_REQUEST",
            )
        except ClientError as error:
            if aws.code(error) != "ResourceInUseException":
                raise
        end = self._clock.monotonic() + _CREATION_S
        while self._clock.monotonic() < end:
            described = self._client.describe_table(TableName=self._table)
            if described["Table"]["TableStatus"] == "ACTIVE":
                return
            self._clock.sleep(_PAUSE_S)
        raise StoreUnavailable(f"{self}: the table is not there yet")


def _number(value: float) -> dict[str, str]:
    return {"N": repr(value)}
