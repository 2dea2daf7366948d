"""A message of librdkafka as a record."""

from __future__ import annotations

from typing import Any

from sluice.streams.stream import Record


def read_record(message: Any) -> Record:
    """A record; of others' headers with one name the last counts, and a null is empty."""
    key = message.key()
    return Record(
        message.topic(),
        message.partition(),
        message.offset(),
        None if key is None else _text(key),
        message.value() or b"",
        {name: _text(value or b"") for name, value in message.headers() or ()},
        message.timestamp()[1] / 1000,
    )


def _text(data: bytes) -> str:
    """UTF-8; bytes that are none, which others may send, are shown as they are."""
    return data.decode(errors="backslashreplace")
