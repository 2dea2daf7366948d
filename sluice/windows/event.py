"""Monitoring events as the monitor reads them: typed, and no more of each than is counted.

What is the same in most events (names of columns, routes, defaults) stays JSON here, and is read
once for all that are alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any

import msgspec

from sluice.monitoring.event import FORMAT

Row = list[Any]


class Named(msgspec.Struct, frozen=True, gc=False):
    """Values by record, under the names of their columns."""

    schema: msgspec.Raw
    rows: list[Row]


class _Request(msgspec.Struct, frozen=True, gc=False):
    id: str
    inputs: list[Row]
    input_schema: msgspec.Raw


class _Response(msgspec.Struct, frozen=True, gc=False):
    outputs: list[Row]
    output_schema: msgspec.Raw


class Routes(msgspec.Struct, frozen=True, gc=False):
    """The choices in an event, and which of them is each record's, −1 for none."""

    words: list[dict[str, Any]]
    codes: list[int]


class Block(msgspec.Struct, frozen=True, gc=False):
    """What an event says beside what MLRun reads of it."""

    format: Annotated[int, msgspec.Meta(le=FORMAT)]
    version: str | None
    route: msgspec.Raw
    ages: dict[str, float]
    defaults: msgspec.Raw
    timings: dict[str, float]
    errors: dict[str, str]
    details: msgspec.Raw
    status: int = 200
    ids: tuple[str, ...] = ()
    when: tuple[float, ...] = ()
    routes: Routes | None = None
    features: Named | None = None


class Event(msgspec.Struct, frozen=True, gc=False):
    """One monitoring event (docs/monitoring.md)."""

    when: Annotated[datetime, msgspec.Meta(tz=True)]
    microsec: int
    request: _Request
    sluice: Block
    resp: _Response | None = None


class _Format(msgspec.Struct):
    format: int


class _Marked(msgspec.Struct):
    sluice: _Format


Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 40)]
Defaults = dict[str, dict[str, Count]]
_decode = msgspec.json.Decoder(Event).decode
_defaults = msgspec.json.Decoder(Defaults).decode
_mark = msgspec.json.Decoder(_Marked).decode


def read_events(values: Sequence[bytes]) -> list[Event]:
    """Events. Raises ValueError where one is none, or is of a newer format."""
    try:
        return list(map(_decode, values))
    except UnicodeDecodeError as error:
        raise ValueError(f"no event: {error}") from None
    except msgspec.DecodeError as error:
        problem = next(filter(None, map(_problem, values)), "")
        raise ValueError(problem or f"no event: {error}") from None


def _problem(value: bytes) -> str:
    """Whether it cannot be read because it is newer."""
    try:
        found = _mark(value).sluice.format
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
    return _newer(found) if found > FORMAT else ""


def _newer(found: int) -> str:
    return f"an event of format {found}: this Sluice reads {FORMAT}, upgrade it"


@lru_cache(4096)
def defaults_of(raw: bytes) -> Defaults:
    """By feature, for how many records a default stood in, and why; nobody may change it. Raises
    ValueError for anything else."""
    return _defaults(raw)


@lru_cache(4096)
def route_of(raw: bytes) -> tuple[str, str]:
    """Policy and name of a choice; no name where records went different ways."""
    return told(msgspec.json.decode(raw))


def told(route: Mapping[str, Any]) -> tuple[str, str]:
    """Policy and name of a choice."""
    return str(route.get("policy") or ""), str(route.get("name") or "")


@lru_cache(256)
def names_of(raw: bytes) -> tuple[str, ...]:
    """Names of columns. Raises ValueError for anything else."""
    try:
        return tuple(msgspec.json.decode(raw, type=list[str]))
    except msgspec.DecodeError as error:
        raise ValueError(f"no names of columns: {error}") from None
