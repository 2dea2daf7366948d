"""Logs of the format before, and what is in a log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lmdb

from sluice.environment import acquire, release
from sluice.streams import Message, open_stream
from sluice.streams.layout import KIND
from sluice.upgrade.log import is_older
from tests.streams import format_1

NOW = 1_700_000_000.0


def make(path: Path, records: int) -> None:
    """A log of format 1 whose topic "t" has so many records in three partitions, two at a time."""
    partitions = [
        [Message(b"%d %d" % (p, n) * (n % 40), f"key {p}" if n % 3 else None, {"n": str(n)})
         for n in range(p, records, 3)]
        for p in range(3)
    ]  # fmt: skip
    format_1.write(path, "t", partitions, NOW, at_once=2)


def contents(path: Path, topics: tuple[str, ...] = ("t",)) -> dict[str, Any]:
    """By topic where it begins and ends and all records, as a new group gets them."""
    stream = open_stream(str(path))
    found: dict[str, Any] = {}
    for topic in topics:
        consumer = stream.consumer("everything", [topic])
        records = []
        while some := consumer.poll(500, 0):
            records += some
        consumer.close()
        rows = [(r.partition, r.offset, r.timestamp, r.key, r.value, r.headers) for r in records]
        found[topic] = stream.bounds(topic), sorted(rows, key=lambda row: row[:2])
    stream.close()
    return found


def older(path: Path) -> bool:
    """Whether today's Sluice finds anything of the format before in a log."""
    environment = acquire(path, KIND)
    try:
        return environment.read(is_older)
    finally:
        release(environment)


def spoil(path: Path) -> None:
    """Change a byte of a record in a file that is being written."""
    opened: Any = lmdb.open(str(path), subdir=False, lock=False)
    with opened.begin(write=True) as txn:
        cursor = txn.cursor()
        assert cursor.set_range(b"r")
        key, value = cursor.item()
        txn.put(key, value.replace(b"key", b"kez", 1))
    opened.close()
