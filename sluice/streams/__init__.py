"""Streams: records in partitions of topics, read by groups that commit where they are.

stream = open_stream("log://data/stream.log")
stream.producer().produce("predictions", b"...", key="request-1")
consumer = stream.consumer("drift", ["predictions"])
records = consumer.poll()
consumer.commit(records)
"""

from __future__ import annotations

import time
from pathlib import Path

from sluice.errors import DeclarationError
from sluice.streams.stream import Clock, Consumer, Message, Producer, Record, Stream, partition_of

__all__ = [
    "Clock", "Consumer", "Message", "Producer", "Record", "Stream", "log_path", "open_stream",
    "partition_of",
]  # fmt: skip


def open_stream(
    url: str,
    *,
    partitions: int = 4,
    retention_bytes: int | None = None,
    retention_s: float | None = None,
    clock: Clock = time,
) -> Stream:
    """The stream at `url`: `log://path`, or a path alone, is the embedded log in that file.

    Args:
        partitions: how many a topic gets that is made here; those of an existing one stay.
        retention_bytes: how many bytes of records a topic keeps, shared by its partitions.
        retention_s: how many seconds a record is kept at most.

    Raises:
        DeclarationError: for a scheme that is not supported.
        SluiceError: for a file that is no log, or one of a newer format.
    """
    path = log_path(url)
    from sluice.streams.log import LogStream, Retention

    retention = Retention(retention_bytes, retention_s)
    return LogStream(path, partitions, retention, clock)


def log_path(url: str) -> Path:
    """The embedded log's file that a URL names. Raises DeclarationError for another scheme."""
    scheme, separator, path = url.partition("://")
    if separator and scheme != "log":
        hint = "supported: log://path, the embedded log in one file"
        raise DeclarationError(url, "stream", f"unknown scheme {scheme!r}", hint)
    return Path(path if separator else url)
