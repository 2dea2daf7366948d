"""How a record lies in a V3IO stream: an envelope around the value, as V3IO has no headers.

V3IO keeps data, a partition key (256 bytes at most) and client information (128 at most) of a
record. Ours has all in its data: `\\x00sluice.record 1\\n`, then the MessagePack array
[time, key, headers, value]. The key is also the partition key where it fits, for other readers.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import msgspec

from sluice.errors import SluiceError, TooLarge
from sluice.streams.stream import Message, Partition, Record, partition_of

_MAGIC = b"\x00sluice.record "
_FORMAT = 1
MAX_BYTES = 1_000_000  # of a record's data


class Envelope(msgspec.Struct, array_like=True, gc=False):
    """What follows the first line; `timestamp` is the producer's clock, epoch seconds."""

    timestamp: float
    key: str | None
    headers: dict[str, str]
    value: bytes


_START = b"%s%d\n" % (_MAGIC, _FORMAT)
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Envelope).decode


def encode_record(message: Message, now: float) -> dict[str, Any]:
    """A message as the SDK's put_records takes it, without its shard. Raises TooLarge."""
    value, key, headers = message
    data = _START + _encode(Envelope(now, key, dict(headers), value))
    if len(data) > MAX_BYTES:
        raise TooLarge(f"a record of {len(data)} bytes: V3IO takes at most {MAX_BYTES} in one")
    record: dict[str, Any] = {"data": data}
    if key and len(key.encode()) <= 256:
        record["partition_key"] = key
    return record


def assign(record: dict[str, Any], message: Message, shards: int) -> dict[str, Any]:
    """The record with the shard of its key; without one the service deals in turn."""
    if message.key is None:
        return record
    return {**record, "shard_id": partition_of(message.key, shards)}


def decode_record(place: Partition, found: Any) -> Record:
    """One of the SDK's records. Those of other producers come as they are.

    Their key is the partition key, their header `v3io.client-info` is Base64, and their time is
    when they arrived. Raises SluiceError for an envelope of a newer format.
    """
    offset = found.sequence_number - 1
    if not found.data.startswith(_MAGIC):
        info = found.client_info
        headers = {"v3io.client-info": b64encode(info).decode()} if info else {}
        arrival = found.arrival_time_sec + found.arrival_time_nsec / 1e9
        return Record(*place, offset, found.partition_key, found.data, headers, arrival)
    first, _, rest = found.data.partition(b"\n")
    version = first.removeprefix(_MAGIC).decode("utf-8", "replace")
    if version != str(_FORMAT):
        raise SluiceError(
            f"{place[0]} partition {place[1]} offset {offset}: a record of format {version}; "
            f"this Sluice reads {_FORMAT}: upgrade it"
        )
    stored = _decode(rest)
    return Record(*place, offset, stored.key, stored.value, stored.headers, stored.timestamp)
