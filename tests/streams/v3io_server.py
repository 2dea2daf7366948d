"""A small V3IO service: the documented web API of streams and items, over real HTTP.

Written after the service's reference (streaming and NoSQL web APIs) for the unmodified SDK. Where
the reference leaves something open, the less convenient reading is taken: a seek to a sequence
number that is not there fails, a shard has no object before its first record, GetItems answers
in pages, and a condition that is false is answered 400.
"""

from __future__ import annotations

import json
import re
import threading
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote
from zlib import crc32

from sluice.streams import Clock

KEY = "a key that no text may show"
CONTAINER = "projects"
_PAGE = 3  # items of one answer to GetItems

Json = dict[str, Any]


class Refused(Exception):
    """An answer other than 200; the message is one of the reference's error strings."""

    def __init__(self, status: int, message: str, code: int = -1) -> None:
        super().__init__(message)
        self.status, self.body = status, {"ErrorCode": code, "ErrorMessage": message}


@dataclass
class Shard:
    first: int = 1  # sequence number of the oldest record that is kept
    records: list[Json] = field(default_factory=list)

    @property
    def next(self) -> int:
        return self.first + len(self.records)

    def trim(self, count: int) -> None:
        del self.records[:count]
        self.first += count


@dataclass
class StreamOf:
    hours: int
    shards: list[Shard]
    turn: int = 0


class V3ioServer:
    """Serves until it is closed. `calls` counts the requests by function."""

    def __init__(self, clock: Clock, *, seek_finds_end: bool = False) -> None:
        self.clock, self.seek_finds_end = clock, seek_finds_end
        self.streams: dict[str, StreamOf] = {}
        self.items: dict[str, Json] = {}
        self.calls: Counter[str] = Counter()
        self.lock = threading.RLock()
        self.faults: list[tuple[str, str | int]] = []
        self.away: dict[int, int] = {}  # shards, and how many PutRecords refuse their records
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def close(self) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def fail(self, function: str, how: str | int, times: int = 1) -> None:
        """The next calls answer a status, or a message with 400, or are done and then "lost"."""
        self.faults += [(function, how)] * times

    def carry_out(self, function: str, path: str, body: Json) -> Json | None:
        """The answer's body; None when the connection is to break instead."""
        with self.lock:
            self.calls[function] += 1
            fault = next((how for name, how in self.faults if name == function), None)
            if fault is not None:
                self.faults.remove((function, fault))
            if isinstance(fault, int):
                raise Refused(fault, "Failed to send a control message request", -117440512)
            if fault not in (None, "lost"):
                raise Refused(400, fault)
            operation: Callable[[str, Json], Json] | None = getattr(self, f"_{function}", None)
            if operation is None:
                raise Refused(400, "InvalidArgumentException", -201326592)
            answer = operation(path, body)
            return None if fault == "lost" else answer

    def _stream(self, path: str) -> StreamOf:
        if path in self.streams:
            return self.streams[path]
        if any(item.startswith(path + "/") for item in self.items):
            raise Refused(400, "ResourceIsnotStream")
        raise Refused(404, "ResourceNotFoundException")

    def _shard(self, path: str) -> Shard:
        parent, _, number = path.rpartition("/")
        stream = self._stream(parent)
        if not number.isdecimal() or int(number) >= len(stream.shards):
            raise Refused(400, "ShardIDOutOfRangeException", -201326594)
        if stream.shards[int(number)].next == 1:
            raise Refused(404, "ResourceNotFoundException")
        return stream.shards[int(number)]

    def _CreateStream(self, path: str, body: Json) -> Json:
        if path in self.streams or any(item.startswith(path + "/") for item in self.items):
            raise Refused(409, "ResourceInUseException")
        if body["ShardCount"] < 1 or body["RetentionPeriodHours"] < 1:
            raise Refused(400, "InvalidArgumentException")
        shards = [Shard() for _ in range(body["ShardCount"])]
        self.streams[path] = StreamOf(body["RetentionPeriodHours"], shards)
        return {}

    def _UpdateStream(self, path: str, body: Json) -> Json:
        shards = self._stream(path).shards
        if body["ShardCount"] < len(shards):
            raise Refused(400, "InvalidArgumentException")
        shards += [Shard() for _ in range(body["ShardCount"] - len(shards))]
        return {}

    def _DescribeStream(self, path: str, body: Json) -> Json:
        stream = self._stream(path)
        return {"ShardCount": len(stream.shards), "RetentionPeriodHours": stream.hours}

    def _PutRecords(self, path: str, body: Json) -> Json:
        stream, records = self._stream(path), body["Records"]
        if not 0 < len(records) <= 1000 or not all(_fits(record) for record in records):
            raise Refused(400, "InvalidArgumentException")
        away = {shard for shard, times in self.away.items() if times > 0}
        results = [self._put(stream, record, away) for record in records]
        self.away = {shard: times - 1 for shard, times in self.away.items()}
        failed = sum("ErrorCode" in result for result in results)
        return {"FailedRecordCount": failed, "Records": results}

    def _put(self, stream: StreamOf, record: Json, away: set[int]) -> Json:
        number = record.get("ShardId")
        if number is None and "PartitionKey" in record:
            number = crc32(record["PartitionKey"].encode()[::-1]) % len(stream.shards)
        elif number is None:
            number = stream.turn = (stream.turn + 1) % len(stream.shards)
        if number >= len(stream.shards):
            return Refused(400, "ShardIDOutOfRangeException", -201326594).body
        if number in away:
            return Refused(503, "Shard is busy", -117440512).body
        shard, now = stream.shards[number], self.clock.time()
        sequence = shard.next
        arrival = {"ArrivalTimeSec": int(now), "ArrivalTimeNSec": int(now % 1 * 1e9)}
        record.pop("ShardId", None)
        shard.records.append({**record, **arrival, "SequenceNumber": sequence})
        over = now - stream.hours * 3600
        shard.trim(sum(one["ArrivalTimeSec"] < over for one in shard.records))
        return {"SequenceNumber": sequence, "ShardId": number}

    def _SeekShard(self, path: str, body: Json) -> Json:
        shard, kind = self._shard(path), body["Type"]
        if kind == "EARLIEST":
            return _location(shard.first)
        if kind == "LATEST":
            return _location(shard.next)
        if kind == "TIME":
            since = body["TimestampSec"] + body["TimestampNSec"] / 1e9
            arrivals = [r["ArrivalTimeSec"] + r["ArrivalTimeNSec"] / 1e9 for r in shard.records]
            return _location(shard.first + sum(arrival < since for arrival in arrivals))
        end = shard.next + 1 if self.seek_finds_end else shard.next
        if kind != "SEQUENCE" or not shard.first <= body["StartingSequenceNumber"] < end:
            raise Refused(400, "InvalidArgumentException")
        return _location(body["StartingSequenceNumber"])

    def _GetRecords(self, path: str, body: Json) -> Json:
        shard = self._shard(path)
        sequence = int(b64decode(body["Location"]).decode().removeprefix("at "))
        if not shard.first <= sequence <= shard.next:
            raise Refused(400, "IllegalLocationException")
        start = sequence - shard.first
        records = shard.records[start : start + body.get("Limit", 1000)]
        following = sequence + len(records)
        return {
            "NextLocation": _location(following)["Location"],
            "MSecBehindLatest": 0,
            "RecordsBehindLatest": shard.next - following,
            "Records": records,
        }

    def _PutItem(self, path: str, body: Json) -> Json:
        item = self.items.get(path, {})
        if not _holds(body.get("ConditionExpression", ""), item):
            raise Refused(400, "Condition expression is false")
        merge = body.get("UpdateMode") == "CreateOrReplaceAttributes"
        self.items[path] = {**(item if merge else {}), **body["Item"]}
        return {}

    def _GetItem(self, path: str, body: Json) -> Json:
        names = body["AttributesToGet"].split(",")
        if path.rpartition("/")[0] in self.streams:
            last = {"__last_sequence_num": {"N": str(self._shard(path).next - 1)}}
            return {"Item": {name: last[name] for name in names if name in last}}
        if path not in self.items:
            raise Refused(404, "ResourceNotFoundException")
        item = self.items[path]
        return {"Item": item if names == ["*"] else {n: item[n] for n in names if n in item}}

    def _GetItems(self, path: str, body: Json) -> Json:
        names = sorted(name for name in self.items if name.startswith(path + "/"))
        if not names:
            raise Refused(404, "ResourceNotFoundException")
        left = [name for name in names if name > body.get("Marker", "")]
        page = left[:_PAGE]
        items = [{"__name": {"S": n.rpartition("/")[2]}, **self.items[n]} for n in page]
        answer: Json = {"LastItemIncluded": "TRUE", "NumItems": len(items), "Items": items}
        more = {"LastItemIncluded": "FALSE", "NextMarker": page[-1]}
        return {**answer, **more} if len(left) > _PAGE else answer

    def _DELETE(self, path: str, body: Json) -> Json:
        if self.items.pop(path, None) is None:
            raise Refused(404, "ResourceNotFoundException")
        return {}


def _location(sequence: int) -> Json:
    return {"Location": b64encode(f"at {sequence}".encode()).decode()}


def _fits(record: Json) -> bool:
    return (
        len(b64decode(record["Data"])) <= 1_000_000
        and len(record.get("PartitionKey", "").encode()) <= 256
        and len(b64decode(record.get("ClientInfo", ""))) <= 128
    )


def _holds(condition: str, item: Json) -> bool:
    """Conditions are `name == number` and `not(exists(name))`, joined by AND."""
    for term in condition.split(" AND ") if condition else ():
        absent = re.fullmatch(r"not\(exists\((\w+)\)\)", term)
        equal = re.fullmatch(r"\(?(\w+) == (-?\d+)\)?", term)
        if absent:
            holds = absent[1] not in item
        elif equal:
            holds = item.get(equal[1], {}).get("N") == equal[2]
        else:
            raise Refused(400, "InvalidArgumentException")
        if not holds:
            return False
    return True


def _handler(server: V3ioServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _serve(self) -> None:
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            try:
                status, answer = 200, self._answer(data)
            except Refused as refused:
                status, answer = refused.status, refused.body
            self.close_connection = answer is None
            if answer is not None:
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def _answer(self, data: bytes) -> Json | None:
            if self.headers["X-v3io-session-key"] != KEY:
                raise Refused(401, "Permission denied")
            container, _, path = unquote(self.path).strip("/").partition("/")
            if container != CONTAINER:
                raise Refused(404, "Container not found")
            if len(data) > 10_000_000:
                raise Refused(400, "InvalidArgumentException")
            function = self.headers.get("X-v3io-function", self.command)
            return server.carry_out(function, path, json.loads(data or b"{}"))

        do_PUT = do_POST = do_DELETE = _serve  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

    return Handler
