"""A request that is done with, as far as its span tells of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from sluice.telemetry.parent import Parent

INTERNAL, SERVER, CONSUMER = 1, 2, 5  # kinds of spans, by OTLP's numbers


class Way(NamedTuple):
    """How a request came: its span's name and kind, the attributes of this way of asking, and the
    kind of error where it failed by our fault."""

    name: str
    kind: int
    attributes: tuple[tuple[str, str | int], ...] = ()
    error: str = ""


class Finished(NamedTuple):
    """What is left of a request: nothing of its records, features or answers.

    `began` and `ended` are seconds of time.perf_counter; `timings` microseconds by step, in their
    order; `id` is None and `records` 0 where it could not be read.
    """

    way: Way
    parent: Parent | None
    id: str | None
    records: int
    began: float
    ended: float
    timings: Mapping[str, float]
    version: str | None = None
    route: Mapping[str, Any] = {}
