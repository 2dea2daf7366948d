"""The message: what flows between the steps of a graph in one process; its JSON form: codec.py.

A message carries a list of records, as they came. Every good record has one or more rows: in
`rows` stands, for each row, the index of its record (in ranking one record has many rows). All
lists named "per row" have one entry per row, in that order. A bad record has an entry in `errors`
and no row; the others are answered.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from sluice.errors import RequestError, SluiceError
from sluice.ids import new_id
from sluice.schema import Value
from sluice.team import Team

_NONE: Any = ()  # where a step puts a list of its own: eight that nobody fills cost a message more


@dataclass(frozen=True, slots=True)
class Choice:
    """What the router chose for a row.

    `version` is a model version's number, `name` what the policy calls it (an alias),
    `propensity` the probability with which the policy makes this choice. Where several versions
    answer together, `team` says which and how, and `version` is the team's ("1+3"). `context` is
    what a contextual policy saw of the row.
    """

    policy: str
    name: str
    version: str
    propensity: float = 1.0
    reason: str = ""
    team: Team | None = None
    context: tuple[float, ...] = ()


class Message:
    """One request on its way through the graph.

    Attributes:
        id: the request's id.
        records: the records as they came; never mutated.
        when: the time of the request, in seconds since the epoch.
        pin: a version that the caller asked for, past the router, or None.
        explain: whether the caller wants to know what each rule did.
        parts: where several requests share this message (parts.py), they, in the order of their
            records; otherwise none.
        columns: the names of the values in a row.
        rows, values, as_of, defaults, route: per row.
        ages: per row, entity → how old the row of it is that gave a value, in seconds; of the
            entities that any live version uses.
        tensors: by transform digest, named arrays [rows, …].
        unknown: by transform digest, the (row, column) whose category its training had not seen.
        scores: per row, an array [k]: one number for binary classification (the probability of
            the second class) and regression, one per class otherwise.
        members: by version that predicted for a team, which rows, and its scores for them
            [rows, k]; of all members that answered, those of weight 0 among them.
        shadows: the versions whose answer is computed off the reply's path, and compared.
        outputs: per record, set by the last step.
        figures: per record that was answered with a ranked list, what it shows whom, before the
            rules and after each (rules/measure.py).
        errors: by record index, why it could not be answered.
        timings: by step that has ended, microseconds since the one before had.
        started, ended: when it was made here, and when its last step ended, by the process's
            clock time.perf_counter.
        live: the model versions that answer this request; belongs to the process.
    """

    __slots__ = (
        "ages", "as_of", "columns", "defaults", "ended", "errors", "explain", "figures", "headers",
        "id", "live", "members", "outputs", "parts", "pin", "records", "route", "rows", "scores",
        "shadows", "single", "started", "tensors", "timings", "unknown", "values", "when",
    )  # fmt: skip

    def __init__(
        self,
        records: list[Any],
        id: str | None = None,
        when: float | None = None,
        pin: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.id = id or new_id()
        self.records = records
        self.when = time.time() if when is None else when
        self.started = self.ended = time.perf_counter()
        self.pin = pin
        self.headers = headers or {}
        self.single = False
        self.explain = False
        self.parts: Sequence[Message] = ()
        self.columns: Sequence[str] = ()
        self.rows: list[int] = _NONE
        self.values: list[list[Value]] = _NONE
        self.as_of: list[float] = _NONE
        self.defaults: list[dict[str, str]] = _NONE
        self.ages: list[dict[str, float]] = _NONE
        self.tensors: dict[str, dict[str, npt.NDArray[Any]]] = {}
        self.unknown: dict[str, list[tuple[int, str]]] = {}
        self.route: list[Choice] = _NONE
        self.scores: list[npt.NDArray[Any]] = _NONE
        self.members: dict[str, tuple[npt.NDArray[Any], npt.NDArray[Any]]] = {}
        self.shadows: tuple[str, ...] = ()
        self.outputs: list[dict[str, Any]] = _NONE
        self.figures: dict[int, list[tuple[str, dict[str, Any]]]] = {}
        self.errors: dict[int, SluiceError] = {}
        self.timings: dict[str, float] = {}
        self.live: Any = None

    def lap(self, step: str) -> None:
        """The time since `ended` was `step`'s: one look at the clock per step."""
        now = time.perf_counter()
        self.timings[step] = (now - self.ended) * 1e6
        self.ended = now

    def times(self) -> list[float]:
        """Per record, the time of its request."""
        if not self.parts:
            return [self.when] * len(self.records)
        return [part.when for part in self.parts for _ in part.records]

    def explained(self) -> list[bool]:
        """Per record, whether its request wants to know what each rule did."""
        if not self.parts:
            return [self.explain] * len(self.records)
        return [part.explain for part in self.parts for _ in part.records]

    def places(self) -> list[str]:
        """Per row, the request's id and the record's place in the request, from 0: "id/0"."""
        if not self.parts:
            return [f"{self.id}/{record}" for record in self.rows]
        names = [f"{part.id}/{i}" for part in self.parts for i in range(len(part.records))]
        return [names[record] for record in self.rows]

    @classmethod
    def of(cls, body: Any, id: str | None = None) -> Message:
        """The message for a decoded JSON body: a record, a list, or {"inputs": […], "id"?,
        "explain"?}.

        `id` is the request's where its headers give one, before the body's. A body that is a
        message already is returned as it is. Raises RequestError for anything else.
        """
        if isinstance(body, Message):
            return body
        if isinstance(body, list):
            return cls(body, id)
        if not isinstance(body, dict):
            found = "nothing" if body is None else type(body).__name__
            raise RequestError(f"expected a record or a list of records, found {found}")
        inputs = body.get("inputs")
        if isinstance(inputs, list):
            message = cls(inputs, id or request_id(body.get("id")))
            message.explain = wants_explanation(body)
            return message
        message = cls([body], id)
        message.single = True
        return message


def wants_explanation(body: Mapping[str, Any]) -> bool:
    """Whether a body says `explain: true`. Raises RequestError where it says neither true nor
    false."""
    explain = body.get("explain", False)
    if not isinstance(explain, bool):
        raise RequestError("explain: expected true or false")
    return explain


def request_id(value: Any) -> str | None:
    """A caller's id as it may be used, or None where there is none. Raises RequestError."""
    if value is None:
        return None
    if isinstance(value, str) and 0 < len(value) <= 200 and value.isprintable():
        return value
    raise RequestError("id: expected 1 to 200 printable characters")
