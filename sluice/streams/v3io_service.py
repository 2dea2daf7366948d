"""The V3IO service as the streams need it: the official SDK's calls, retried within bounds.

Every call that fails for good raises StoreUnavailable with what to do; the access key is in no
text. A call that is tried again after its answer was lost may have been carried out twice: a
record is then in the stream twice, and a conditional update finds its own work (see
`v3io_leases`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from http.client import HTTPException, InvalidURL
from typing import Any, NamedTuple

from sluice.errors import DeclarationError, StoreUnavailable
from sluice.streams.stream import Clock
from sluice.v3io import PASSING, Quiet, said

_ATTEMPTS, _BACKOFF_S = 4, 0.1  # waits of 0.1, 0.2 and 0.4 s between them


class Access(NamedTuple):
    """Where the service is (its web API), which container and path, and the key to it."""

    endpoint: str
    container: str
    path: str
    key: str

    def __repr__(self) -> str:
        return f"{self.endpoint}/{self.container}/{self.path}"


class Service:
    """One container and path of a V3IO service. In a forked child it connects anew."""

    def __init__(self, access: Access, clock: Clock) -> None:
        self._access, self._clock = access, clock
        self._pid, self._client = os.getpid(), _client(access)

    def close(self) -> None:
        if self._pid == os.getpid():
            self._client.close()

    # -- streams -------------------------------------------------------------------------------

    def shards(self, topic: str) -> int:
        """How many shards a stream has, 0 if there is none."""
        what = f"describe stream {topic}"
        found = self._call(what, "stream.describe", (404,), stream_path=self._path(topic))
        return int(found.output.shard_count) if found.status_code == 200 else 0

    def create(self, topic: str, shards: int) -> int:
        """Make a stream, unless somebody else just did; how many shards it has."""
        what, path = f"create stream {topic}", self._path(topic)
        made = self._call(what, "stream.create", (400, 409), stream_path=path, shard_count=shards)
        count = self.shards(topic)
        if not count:
            raise self._error(what, self._told(made))
        return count

    def append(self, topic: str, records: Sequence[Mapping[str, Any]]) -> list[Any]:
        """Put records, 1,000 and 10 MB of JSON at most; the result of each, in order."""
        what, path = f"append to {topic}", self._path(topic)
        found = self._call(what, "stream.put_records", stream_path=path, records=records)
        return list(found.output.records)

    def seek(self, topic: str, shard: int, kind: str, **where: Any) -> str | None:
        """A location in a shard; None when it has no such place, or has never been written."""
        found = self._call(
            f"seek in {topic}/{shard}", "stream.seek", (400, 404), stream_path=self._path(topic),
            shard_id=shard, seek_type=kind, **where,
        )  # fmt: skip
        return str(found.output.location) if found.status_code == 200 else None

    def read(self, topic: str, shard: int, location: str, limit: int) -> Any | None:
        """The SDK's records from a location on; None when the location is not there any more."""
        what = f"read {topic}/{shard}"
        found = self._call(
            what, "stream.get_records", (400, 404), stream_path=self._path(topic),
            shard_id=shard, location=location, limit=limit,
        )  # fmt: skip
        if found.status_code == 400 and "IllegalLocation" not in self._told(found):
            raise self._error(what, self._told(found))
        return found.output if found.status_code == 200 else None

    def last(self, topic: str, shard: int) -> int:
        """The sequence number of a shard's last record; 0 when there was none yet."""
        found = self.item(self._path(topic), str(shard), ("__last_sequence_num",)) or {}
        return int(found.get("__last_sequence_num", 0))

    def bounds(self, topic: str, shard: int) -> tuple[int, int]:
        """A shard's oldest offset and the next one to be written; offsets count from 0."""
        end = self.last(topic, shard)
        location = self.seek(topic, shard, "EARLIEST") if end else None
        output = self.read(topic, shard, location, 1) if location else None
        if output is None or not output.records:
            return end, end
        first = output.records[0].sequence_number
        return first - 1, max(end, first)

    # -- key-value -----------------------------------------------------------------------------

    def table(self, *names: str) -> str:
        return self._path("/".join(names))

    def items(self, table: str) -> list[dict[str, Any]]:
        """All items of a table; none when there is no table."""
        items: list[dict[str, Any]] = []
        marker = None
        while True:
            what = f"read table {table}"
            found = self._call(what, "kv.scan", (404,), table_path=table, marker=marker)
            if found.status_code == 404:
                return items
            items += found.output.items
            marker = found.output.next_marker
            if found.output.last or not marker:
                return items

    def item(self, table: str, key: str, names: Sequence[str] = ("*",)) -> dict[str, Any] | None:
        found = self._call(
            f"read item {table}/{key}", "kv.get", (404,), table_path=table, key=key,
            attribute_names=names,
        )  # fmt: skip
        return dict(found.output.item) if found.status_code == 200 else None

    def put_item(
        self, table: str, key: str, item: Mapping[str, Any], condition: str | None = None
    ) -> bool:
        """Write an item's attributes; whether the condition held, which V3IO answers with 400."""
        found = self._call(
            f"write item {table}/{key}", "kv.update", (400, 409, 412) if condition else (),
            table_path=table, key=key, attributes=dict(item), condition=condition,
        )  # fmt: skip
        return bool(found.status_code < 300)

    def delete_item(self, table: str, key: str) -> None:
        self._call(f"delete item {table}/{key}", "kv.delete", (404,), table_path=table, key=key)

    # -- one call ------------------------------------------------------------------------------

    def _path(self, name: str) -> str:
        return f"{self._access.path}/{name}".lstrip("/")

    def _call(self, what: str, call: str, expected: tuple[int, ...] = (), **fields: Any) -> Any:
        """One of the SDK's calls, whose status is below 300 or an expected one."""
        problem = ""
        for attempt in range(_ATTEMPTS):
            if attempt:
                self._clock.sleep(_BACKOFF_S * 2 ** (attempt - 1))
            try:
                answer = self._send(call, fields)
            except (OSError, HTTPException) as error:
                problem = f"{type(error).__name__}; is V3IO_API right, and the service up?"
                if isinstance(error, TimeoutError):
                    break  # the SDK has waited long, and more than once
                continue
            if answer.status_code < 300 or answer.status_code in expected:
                return answer
            problem = self._told(answer)
            if answer.status_code not in PASSING:
                break
        raise self._error(what, problem)

    def _send(self, call: str, fields: Mapping[str, Any]) -> Any:
        if self._pid != os.getpid():
            self._pid, self._client = os.getpid(), _client(self._access)
        part, _, name = call.partition(".")
        function = getattr(getattr(self._client, part), name)
        return function(self._access.container, raise_for_status="never", **fields)

    def _told(self, answer: Any) -> str:
        """What an answer says of a failure, and what to do about it."""
        why, hint = said(answer, self._access.key), ""
        if answer.status_code in (401, 403) or "ermission denied" in why:
            hint = f"; has V3IO_ACCESS_KEY the right to use container {self._access.container}?"
        elif answer.status_code == 404:
            hint = f"; is there a container {self._access.container}?"
        elif "ResourceIsnotStream" in why:
            hint = "; something else lies there: name another path or topic"
        return f"status {answer.status_code} {why}{hint}"

    def _error(self, what: str, problem: str) -> StoreUnavailable:
        return StoreUnavailable(f"V3IO at {self._access!r}: {what}: {problem}")


def _client(access: Access) -> Any:
    from v3io.dataplane import Client

    try:
        return Client(logger=Quiet(), endpoint=access.endpoint, access_key=access.key)
    except InvalidURL as error:
        hint = "set V3IO_API to the host and port of the web API"
        raise DeclarationError(access, "stream", f"no address: {error}", hint) from error
