"""Online features in V3IO's key-value tables (Iguazio): `v3io://container/path`.

The path is a table for all graphs. An item's name is a sharding key, the digest of project, graph
and shelf, then a dot and the place as the sorting key, both hexadecimal: a key's rows lie together
and sorted from new to old, so the newest row at or before a time is a range scan for one item. Its
attribute `value` is the value in Base64, because the SDK would take some bytes for an array.

V3IO changes one item at a time, so transactions are journalled; see journal.py.

Not run against the service itself, of which there is none to be had here: the tests run the
unmodified SDK over HTTP against a server written after the service's documentation
(tests/features/v3io_tables.py).
"""

from __future__ import annotations

import os
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from http.client import CannotSendRequest, HTTPException, InvalidURL, RemoteDisconnected
from typing import Any

import msgspec
from v3io.dataplane import Client
from v3io.dataplane.transport import httpclient

from sluice import settings
from sluice.address import Address, Option, read_address
from sluice.errors import SluiceError, StoreUnavailable
from sluice.features.journal import Journalled, Write
from sluice.features.parallel import Parallel
from sluice.features.remote import RemoteStore
from sluice.features.shelves import Head, Item, Range, decode_head, encode_head
from sluice.v3io import PASSING, Quiet, said

OPTIONS: Mapping[str, Option] = {"timeout": 0.5}
_WRITE_TIMEOUT_S = 4.0  # sent twice at most, as journal.py has it
_THREADS = 8
_LONGEST_PLACE = 100  # bytes: twice as many characters, of a name's 255
_LARGEST = 39_000  # bytes of a value: a piece of a journal has to hold it
_REFUSED = (400, 409, 412)  # what a condition that does not hold is answered with
_HEAD, _ONLY = b"h", b"\0"
_VALUE = ("__name", "value")


def open_v3io(
    url: str, prefix: tuple[str, str], variables: Mapping[str, str] | None = None
) -> RemoteStore:
    """The store of a graph at a URL, without connecting to it. Raises DeclarationError.

    Options: `timeout`, seconds to connect and until what is read is answered (0.5).

    Args:
        variables: where V3IO_API and V3IO_ACCESS_KEY are looked up; default: the environment.
    """
    variables = settings.variables() if variables is None else variables
    items = V3ioItems(read_address(url, "feature store", OPTIONS), prefix, variables)
    return RemoteStore(Journalled(items), prefix)


class V3ioItems:
    """The items of a graph in a table; see Items."""

    piece = 40_000  # in Base64 less than the 61,199 characters that the SDK takes

    def __init__(
        self,
        address: Address,
        prefix: tuple[str, str],
        variables: Mapping[str, str],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        if not address.host or not address.names:
            raise address.error("names no container and path", "v3io://container/path")
        for name in ("V3IO_API", "V3IO_ACCESS_KEY"):
            if not variables.get(name):
                raise address.error(f"{name} is missing", "set it for the process")
        self._address, self._now = address, now
        self._api, self._access_key = variables["V3IO_API"], variables["V3IO_ACCESS_KEY"]
        self._prefix = msgspec.msgpack.encode(prefix)
        self._table = "/".join(address.names)
        self._parallel = Parallel(_THREADS)
        self._pid, self._clients = 0, ()

    _clients: tuple[Any, ...]

    def __str__(self) -> str:
        return str(self._address)

    def read_head(self) -> Head:
        """See Items."""
        key = self._name(_HEAD, _ONLY)
        found = self._call(0, "get", (404,), key=key, attribute_names=("value",))
        if found.status_code == 404:
            return Head()
        return decode_head(b64decode(found.output.item["value"]), self)

    def swap(self, head: Head, new: Head) -> bool:
        """See Items."""
        fresh = head == Head()
        condition = "not(exists(number))" if fresh else f"number == {head.number}"
        attributes = {"value": b64encode(encode_head(new)).decode(), "number": new.number}
        key = self._name(_HEAD, _ONLY)
        answer = self._call(
            1, "update", _REFUSED, key=key, attributes=attributes, condition=condition
        )
        return bool(answer.status_code < 300)

    def at_once(self, head: Head, new: Head, writes: Sequence[Write]) -> bool | None:
        """See Items: one item alone. Raises SluiceError for what an item cannot hold."""
        for _, at, value in writes:
            if len(at) > _LONGEST_PLACE or len(value or b"") > _LARGEST:
                limits = f"a name of {_LONGEST_PLACE} bytes and a value of {_LARGEST}"
                raise SluiceError(f"{self}: has {limits} at most: {at!r} is longer")
        return None if writes else self.swap(head, new)

    def ranges(self, asked: Sequence[Range]) -> list[list[Item]]:
        """See Shelves."""
        self._connected()  # not by several threads
        return self._parallel.map(self._range, asked)

    def write(self, writes: Sequence[Write], end: float) -> None:
        """See Items."""
        self._connected()
        self._parallel.map(lambda write: self._write(write, end), writes)

    def close(self) -> None:
        """See Items."""
        self._parallel.close()
        if self._pid == os.getpid():
            for client in self._clients:
                client.close()
        self._pid, self._clients = 0, ()

    def _name(self, shelf: bytes, at: bytes) -> str:
        return f"{self._shard(shelf)}.{at.hex()}"

    def _shard(self, shelf: bytes) -> str:
        return blake2b(self._prefix + shelf, digest_size=16).hexdigest()

    def _write(self, write: Write, end: float) -> None:
        shelf, at, value = write
        if self._now() >= end:
            raise StoreUnavailable(f"{self}: does not take what is written in time")
        if value is None:
            self._call(1, "delete", (404,), key=self._name(shelf, at))
        else:
            attributes = {"value": b64encode(value).decode()}
            self._call(1, "put", (), key=self._name(shelf, at), attributes=attributes)

    def _range(self, asked: Range) -> list[Item]:
        items: list[Item] = []
        marker = None
        while len(items) < asked.limit:
            found = self._call(
                0, "scan", (404,), attribute_names=_VALUE, marker=marker,
                sharding_key=self._shard(asked.shelf), limit=min(asked.limit - len(items), 1000),
                sort_key_range_start=asked.first.hex() or None,
                sort_key_range_end=None if asked.end is None else asked.end.hex(),
            )  # fmt: skip
            if found.status_code == 404:
                break  # there is no table yet
            items += [_item(item) for item in found.output.items]
            marker = found.output.next_marker
            if found.output.last or not marker:
                break
        return items[: asked.limit]

    def _connected(self) -> tuple[Any, ...]:
        """Clients for look-ups and for the rest; in a forked child its own."""
        if self._pid != os.getpid():
            waits = (self._address.options["timeout"], _WRITE_TIMEOUT_S)
            try:
                self._clients = tuple(_client(self._api, self._access_key, wait) for wait in waits)
            except InvalidURL:
                hint = "set V3IO_API to the host and port of the web API"
                raise self._address.error("V3IO_API is no address", hint) from None
            self._pid = os.getpid()
        return self._clients

    def _call(self, client: int, call: str, expected: tuple[int, ...], **fields: Any) -> Any:
        """One of the SDK's calls on items, whose status is below 300 or an expected one."""
        function = getattr(self._connected()[client].kv, call)
        try:
            answer = function(self._address.host, self._table, raise_for_status="never", **fields)
        except (OSError, HTTPException) as error:
            hint = "is V3IO_API right, and the service up?"
            raise StoreUnavailable(f"{self}: {type(error).__name__}; {hint}") from error
        if answer.status_code < 300 or answer.status_code in expected:
            return answer
        text = f"{self}: {call}: status {answer.status_code} {said(answer, self._access_key)}"
        if answer.status_code in (401, 403):
            hint = "has V3IO_ACCESS_KEY the right to use the container?"
            raise StoreUnavailable(f"{text}; {hint}")
        raise StoreUnavailable(text) if answer.status_code in PASSING else SluiceError(text)


class _Transport(httpclient.Transport):  # type: ignore[misc]
    """The SDK's, with a time-out of its own, and what ran out of time is not sent again."""

    def __init__(self, endpoint: str, timeout: float) -> None:
        super().__init__(Quiet(), endpoint, _THREADS, timeout)
        self._send_request_exceptions = (BrokenPipeError, CannotSendRequest, RemoteDisconnected)

    def _create_connection(self, host: str, ssl_context: Any) -> Any:
        connection = super()._create_connection(host, ssl_context)
        connection.timeout = self._timeout
        return connection

    def wait_response(
        self, request: Any, raise_for_status: Any = None, num_retries: int = 1
    ) -> Any:
        try:
            return super().wait_response(request, raise_for_status, 0)
        except (ConnectionResetError, BrokenPipeError, RemoteDisconnected):
            # The server closed the connection while it idled: once more, on a new one.
            return super().wait_response(self.send_request(request), raise_for_status, 0)


def _client(endpoint: str, key: str, timeout: float) -> Any:
    return Client(
        logger=Quiet(),
        endpoint=endpoint,
        access_key=key,
        transport_kind=_Transport(endpoint if "://" in endpoint else f"http://{endpoint}", timeout),
    )


def _item(item: Mapping[str, Any]) -> Item:
    place = item["__name"].partition(".")[2]
    return Item(bytes.fromhex(place), b64decode(item["value"]))
