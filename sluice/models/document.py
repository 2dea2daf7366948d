"""Strict reading and writing of the JSON documents of the model store, each with its format."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def read_document(data: bytes, kind: type[T], formats: tuple[int, ...]) -> T:
    """The document in `data`, a `kind` whose field `format` is one of `formats`.

    The format is looked at first, so that a newer document is refused as newer and not for a
    field that this version does not know. Raises ValueError, with the field named.
    """
    try:
        content = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"not JSON: {error}") from None
    found = content.get("format") if isinstance(content, dict) else None
    if type(found) is not int:
        raise ValueError("has no field 'format' with a whole number")
    if found not in formats:
        readable = " and ".join(map(str, formats))
        cure = ": upgrade Sluice" if found > max(formats) else ""
        raise ValueError(f"is of format {found}; this Sluice reads format {readable}{cure}")
    try:
        return msgspec.convert(content, kind, strict=True)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None


def write_document(document: Any) -> bytes:
    """`document` as indented JSON, ending in a newline. Raises TypeError for what JSON lacks."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def plain_name(name: str) -> bool:
    """Whether `name` can be the name of a file or folder: no separator, no leading dot."""
    return _NAME.fullmatch(name) is not None


def utc_text(clock: Callable[[], float]) -> str:
    """The time on `clock` (seconds since 1970) as ISO 8601 text in UTC, to the second."""
    return datetime.fromtimestamp(clock(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
