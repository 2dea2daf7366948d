"""The message: what flows between the steps of a graph in one process, and its JSON form.

A message carries a list of records, as they came. Every good record has one or more rows: in
`rows` stands, for each row, the index of its record (in ranking one record has many rows). All
lists named "per row" have one entry per row, in that order. A bad record has an entry in `errors`
and no row; the others are answered.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from sluice.errors import RecordError, RequestError, SluiceError
from sluice.schema import Value

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Choice:
    """What the router chose for a row.

    `version` is a model version's number, `name` what the policy calls it (an alias),
    `propensity` the probability with which the policy makes this choice.
    """

    policy: str
    name: str
    version: str
    propensity: float = 1.0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Stalest:
    """The feature table whose value was the oldest of those used, and its age in seconds."""

    entity: str
    age_s: float


class Message:
    """One request on its way through the graph.

    Attributes:
        id: the request's id.
        records: the records as they came; never mutated.
        when: the time of the request, in seconds since the epoch.
        pin: a version that the caller asked for, past the router, or None.
        columns: the names of the values in a row.
        rows, values, as_of, defaults, stalest, route: per row.
        tensors: by transform digest, named arrays [rows, …].
        scores: per row, an array [k]: one number for binary classification (the probability of
            the second class) and regression, one per class otherwise.
        outputs: per record, set by the last step.
        errors: by record index, why it could not be answered.
        timings: by step, microseconds.
        live: the model versions that answer this request; belongs to the process.
    """

    __slots__ = (
        "as_of", "columns", "defaults", "errors", "headers", "id", "live", "outputs", "pin",
        "records", "route", "rows", "scores", "single", "stalest", "started", "tensors",
        "timings", "values", "when",
    )  # fmt: skip

    def __init__(
        self,
        records: list[Any],
        id: str | None = None,
        when: float | None = None,
        pin: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.id = id or os.urandom(16).hex()
        self.records = records
        self.when = time.time() if when is None else when
        self.started = time.perf_counter()
        self.pin = pin
        self.headers = headers or {}
        self.single = False
        self.columns: Sequence[str] = ()
        self.rows: list[int] = []
        self.values: list[list[Value]] = []
        self.as_of: list[float] = []
        self.defaults: list[dict[str, str]] = []
        self.stalest: list[Stalest | None] = []
        self.tensors: dict[str, dict[str, npt.NDArray[Any]]] = {}
        self.route: list[Choice] = []
        self.scores: list[npt.NDArray[Any]] = []
        self.outputs: list[dict[str, Any]] = []
        self.errors: dict[int, SluiceError] = {}
        self.timings: dict[str, float] = {}
        self.live: Any = None

    def timed(self, step: str) -> _Timed:
        """A context in which the time counts as `step`'s."""
        return _Timed(self, step)

    @classmethod
    def of(cls, body: Any) -> Message:
        """The message for a decoded JSON body: a record, a list, or {"inputs": […], "id"?}.

        A body that is a message already is returned as it is. Raises RequestError for anything
        else.
        """
        if isinstance(body, Message):
            return body
        if isinstance(body, list):
            return cls(body)
        if not isinstance(body, dict):
            found = "nothing" if body is None else type(body).__name__
            raise RequestError(f"expected a record or a list of records, found {found}")
        inputs = body.get("inputs")
        if isinstance(inputs, list):
            return cls(inputs, id=request_id(body.get("id")))
        message = cls([body])
        message.single = True
        return message


class _Timed:
    """Adds the time that a block takes to a message's timings."""

    __slots__ = ("_message", "_name", "_start")

    def __init__(self, message: Message, name: str) -> None:
        self._message, self._name = message, name

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._message.timings[self._name] = (time.perf_counter() - self._start) * 1e6


def request_id(value: Any) -> str | None:
    """A caller's id as it may be used, or None where there is none. Raises RequestError."""
    if value is None:
        return None
    if isinstance(value, str) and 0 < len(value) <= 200 and value.isprintable():
        return value
    raise RequestError("id: expected 1 to 200 printable characters")


def encode(message: Message) -> bytes:
    """The JSON form of a message, for steps that run apart. Numbers survive to the bit."""
    data = {name: getattr(message, name) for name in _PLAIN}
    data["format"] = FORMAT
    data["headers"] = dict(message.headers)
    data["errors"] = {str(i): _error(e) for i, e in message.errors.items()}
    data["tensors"] = {d: {n: _array(a) for n, a in t.items()} for d, t in message.tensors.items()}
    data["scores"] = [_array(s) for s in message.scores]
    data["values"] = [[_number(v) for v in row] for row in message.values]
    return orjson.dumps(data, option=orjson.OPT_SERIALIZE_NUMPY)


_PLAIN = (
    "id", "records", "when", "pin", "single", "columns", "rows", "as_of", "defaults", "stalest",
    "route", "outputs", "timings",
)  # fmt: skip


def decode(data: bytes) -> Message:
    """The message that `encode` wrote. Raises RequestError for anything else."""
    try:
        content = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise RequestError(f"not JSON: {error}") from None
    return from_json(content)


def from_json(content: Any) -> Message:
    """The message in a decoded JSON form. Raises RequestError when it is none that can be read."""
    if not isinstance(content, dict) or not isinstance(content.get("format"), int):
        raise RequestError("expected a message with a format, as the step before writes it")
    if content["format"] != FORMAT:
        raise RequestError(f"message format {content['format']} is not read: only {FORMAT} is")
    try:
        return _read(content)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RequestError(f"a broken message: {type(error).__name__} at {error}") from None


def _read(content: dict[str, Any]) -> Message:
    message = Message(content["records"], content["id"], content["when"], content["pin"])
    for name in _PLAIN:
        setattr(message, name, content[name])
    message.headers = content["headers"]
    message.values = [[_unnumber(v) for v in row] for row in content["values"]]
    message.stalest = [None if s is None else Stalest(**s) for s in content["stalest"]]
    message.route = [Choice(**c) for c in content["route"]]
    message.errors = {int(i): _unerror(e) for i, e in content["errors"].items()}
    message.tensors = {
        d: {n: _unarray(a) for n, a in t.items()} for d, t in content["tensors"].items()
    }
    message.scores = [_unarray(s) for s in content["scores"]]
    return message


# JSON has no NaN and orjson writes it as null: a number that is none is written as {}.
def _number(value: Value) -> Any:
    return {} if isinstance(value, float) and value != value else value


def _unnumber(value: Any) -> Value:
    if isinstance(value, dict):
        return float("nan")
    result: Value = value
    return result


def _array(array: npt.NDArray[Any]) -> dict[str, Any]:
    if array.dtype == object:
        return {"dtype": "object", "shape": list(array.shape), "data": array.ravel().tolist()}
    data = np.ascontiguousarray(array).tobytes().hex()
    return {"dtype": array.dtype.str, "shape": list(array.shape), "data": data}


def _unarray(data: dict[str, Any]) -> npt.NDArray[Any]:
    if data["dtype"] == "object":
        array = np.empty(len(data["data"]), object)
        array[:] = data["data"]
    else:
        array = np.frombuffer(bytes.fromhex(data["data"]), np.dtype(data["dtype"]))
    return array.reshape(data["shape"])


def _error(error: SluiceError) -> dict[str, Any]:
    field = getattr(error, "field", "")
    return {"error": str(error), "field": field, "status": error.status}


def _unerror(data: dict[str, Any]) -> SluiceError:
    error = RecordError(data["field"], data["error"])
    error.args = (data["error"],)
    error.status = int(data["status"])
    return error
