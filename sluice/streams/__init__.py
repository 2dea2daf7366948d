"""Streams: records in partitions of topics, read by groups that commit where they are.

stream = open_stream("log://data/stream.log")
stream.producer().produce("predictions", b"...", key="request-1")
consumer = stream.consumer("drift", ["predictions"])
records = consumer.poll()
consumer.commit(records)

pipe = stream.pipe("score", ["requests"], window_s=3600)
records = pipe.poll()
pipe.forward(records, [("predictions", Message(b"...", r.key)) for r in records])
"""

from __future__ import annotations

import time
from importlib import import_module
from pathlib import Path

from sluice.address import shown
from sluice.errors import DeclarationError
from sluice.streams.stream import (
    Clock,
    Consumer,
    Message,
    Pipe,
    Producer,
    Record,
    Stream,
    partition_of,
)

__all__ = [
    "Clock", "Consumer", "Message", "Pipe", "Producer", "Record", "Stream", "is_log", "log_path",
    "open_stream", "partition_of",
]  # fmt: skip

# Per scheme the module, its class, and the package that it needs.
_BROKERS = {
    "kafka": ("sluice.streams.kafka", "KafkaStream", "confluent-kafka"),
    "v3io": ("sluice.streams.v3io", "V3ioStream", "v3io"),
    "https": ("sluice.streams.v3io", "V3ioStream", "v3io"),
    "http": ("sluice.streams.v3io", "V3ioStream", "v3io"),
}
_SUPPORTED = (
    "supported: log://path or a path alone, the embedded log in one file;"
    " kafka://host:port; v3io://container/path"
)


def open_stream(
    url: str,
    *,
    partitions: int = 4,
    retention_bytes: int | None = None,
    retention_s: float | None = None,
    clock: Clock = time,
) -> Stream:
    """The stream at `url`.

    `log://path`, or a path alone, is the embedded log in that file; `kafka://host:port` is Kafka;
    `v3io://container/path`, or the same by https, is a stream of V3IO.

    Args:
        partitions: how many a topic gets that is made here; those of an existing one stay.
        retention_bytes: how many bytes of records a topic keeps, shared by its partitions.
            The embedded log only.
        retention_s: how many seconds a record is kept at most. The embedded log only.

    Raises:
        DeclarationError: for a scheme that is not supported, one whose package is not installed,
            retention with a scheme whose server decides on it, a log of a newer format.
        SluiceError: for a file that is no log.
    """
    if is_log(url):
        from sluice.streams.append import Retention
        from sluice.streams.log import LogStream

        return LogStream(log_path(url), partitions, Retention(retention_bytes, retention_s), clock)
    scheme = url.partition("://")[0]
    if (retention_bytes, retention_s) != (None, None):
        problem = f"retention is set, and {scheme} keeps its own"
        raise DeclarationError(shown(url), "stream", problem, "set it where the topic is made")
    return _open_broker(url, scheme, partitions, clock)


def is_log(url: str) -> bool:
    """Whether a URL names the embedded log. Raises DeclarationError where it names no stream."""
    scheme, separator, _ = url.partition("://")
    if not separator or scheme == "log":
        return True
    if scheme not in _BROKERS:
        raise DeclarationError(shown(url), "stream", f"unknown scheme {scheme!r}", _SUPPORTED)
    return False


def _open_broker(url: str, scheme: str, partitions: int, clock: Clock) -> Stream:
    module, name, package = _BROKERS[scheme]
    try:
        stream: Stream = getattr(import_module(module), name)(url, partitions, clock)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("sluice"):
            raise  # a defect of ours
        problem, hint = f"needs the package {package}", f"pip install {package}"
        raise DeclarationError(shown(url), "stream", problem, hint) from error
    return stream


def log_path(url: str) -> Path:
    """The embedded log's file that a URL names. Raises DeclarationError for another scheme."""
    scheme, separator, path = url.partition("://")
    if separator and scheme != "log":
        hint = "log://path, or a path alone"
        raise DeclarationError(shown(url), "stream", f"is {scheme!r}, not the embedded log", hint)
    return Path(path if separator else url)
