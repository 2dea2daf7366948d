"""Files of format 1, as Sluice 0.1 wrote them: a record where a block is now."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lmdb
import msgspec

from sluice.streams import Message


def write(
    path: Path,
    topic: str,
    partitions: Sequence[Sequence[Message]],
    now: float,
    at_once: int | None = None,
) -> None:
    """A log with one topic, whose partitions have these messages.

    All of them were written `now`; or `at_once` of a partition's, and as many a second later.
    """
    env: Any = lmdb.open(str(path), subdir=False)
    with env.begin(write=True) as txn:
        txn.put(b"m", b"sluice.log 1")
        txn.put(b"t" + topic.encode(), struct.pack(">IH", 0, len(partitions)))
        for number, messages in enumerate(partitions):
            size = 0
            for offset, (value, key, headers) in enumerate(messages):
                time = now + (offset // at_once if at_once else 0)
                data = msgspec.msgpack.encode((time, key, headers, value))
                txn.put(struct.pack(">cIHQ", b"r", 0, number, offset), data)
                size += len(data)
            if messages:
                state = struct.pack(">QQQ", len(messages), 0, size)
                txn.put(struct.pack(">cIH", b"p", 0, number), state)
    env.close()


def entries(path: Path) -> dict[bytes, bytes]:
    """All that is in a log's file; never in a process that has it open."""
    env: Any = lmdb.open(str(path), subdir=False, readonly=True, lock=False)
    with env.begin() as txn:
        found = dict(txn.cursor())
    env.close()
    return found
