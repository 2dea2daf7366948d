"""The JSON form of a message, for steps that run apart."""

from __future__ import annotations

import math
import time
from typing import Annotated, Any

import msgspec
import numpy as np
import numpy.typing as npt
import orjson

from sluice.errors import RecordError, RequestError, SluiceError
from sluice.message import Choice, Message
from sluice.schema import Value

Array = npt.NDArray[Any]

FORMAT = 3  # 2 knew no teams (one version answered a row) and no explanations


def encode(message: Message) -> bytes:
    """The JSON form of a message, for steps that run apart. Numbers survive to the bit."""
    data = {name: getattr(message, name) for name in _PLAIN}
    data["format"] = FORMAT
    data["headers"] = dict(message.headers)
    data["errors"] = {str(i): _error(e) for i, e in message.errors.items()}
    data["tensors"] = {d: {n: _array(a) for n, a in t.items()} for d, t in message.tensors.items()}
    data["scores"] = [_array(s) for s in message.scores]
    data["members"] = {v: (_array(r), _array(s)) for v, (r, s) in message.members.items()}
    data["values"] = [[_number(v) for v in row] for row in message.values]
    data["as_of"] = [_number(v) for v in message.as_of]
    return orjson.dumps(data, option=orjson.OPT_SERIALIZE_NUMPY)


_PLAIN = (
    "id", "records", "when", "pin", "single", "explain", "columns", "rows", "ages", "defaults",
    "unknown", "route", "outputs", "timings", "shadows",
)  # fmt: skip

# JSON has no NaN and no infinity, and orjson writes null: such a number is {"float": its text}.
_Number = float | dict[str, str]


class _Array(msgspec.Struct, forbid_unknown_fields=True):
    dtype: Annotated[str, msgspec.Meta(pattern=r"^(object|[<>|][biuf]\d{1,2})$")]
    shape: list[int]
    data: str | list[Any]


class _Error(msgspec.Struct, forbid_unknown_fields=True):
    error: str
    field: str
    status: int


class _Content(msgspec.Struct, forbid_unknown_fields=True):
    """The JSON form of a message, as `encode` writes it."""

    format: int
    id: str
    records: list[Any]
    when: float
    pin: str | None
    single: bool
    explain: bool
    headers: dict[str, str]
    columns: list[str]
    rows: list[int]
    values: list[list[_Number | str | list[Any] | None]]
    as_of: list[_Number]
    defaults: list[dict[str, str]]
    ages: list[dict[str, float]]
    unknown: dict[str, list[tuple[int, str]]]
    route: list[Choice]
    outputs: list[dict[str, Any]]
    timings: dict[str, float]
    shadows: tuple[str, ...]
    tensors: dict[str, dict[str, _Array]]
    scores: list[_Array]
    members: dict[str, tuple[_Array, _Array]]
    errors: dict[int, _Error]

    def check(self) -> None:
        """Raise ValueError where parts do not fit each other."""
        n = len(self.rows)
        indices = [*self.rows, *self.errors]
        if not all(0 <= i < len(self.records) for i in indices):
            raise ValueError("rows and errors are not all of its records")
        per_row = (self.values, self.as_of, self.defaults, self.ages)
        if any(len(part) != n for part in per_row) or any(
            len(part) not in (0, n) for part in (self.route, self.scores)
        ):
            raise ValueError(f"not every list per row has {n} entries")
        if any(len(row) != len(self.columns) for row in self.values):
            raise ValueError("values are not as many as columns")
        if not all(0 <= row < n for pairs in self.unknown.values() for row, _ in pairs):
            raise ValueError("unknown names a row that is not there")


def decode(data: bytes) -> Message:
    """The message that `encode` wrote. Raises RequestError for anything else."""
    try:
        content = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise RequestError(f"not JSON: {error}") from None
    return from_json(content)


def from_json(content: Any) -> Message:
    """The message in a decoded JSON form. Raises RequestError when it is none that can be read."""
    if not isinstance(content, dict) or type(content.get("format")) is not int:
        raise RequestError("expected a message with a format, as the step before writes it")
    if content["format"] not in (FORMAT - 1, FORMAT):
        formats = f"only {FORMAT - 1} and {FORMAT} are"
        raise RequestError(f"message format {content['format']} is not read: {formats}")
    try:
        if content["format"] == FORMAT - 1:
            content = _renewed(content)
        read = msgspec.convert(content, _Content, str_keys=True)
        read.check()
        return _message(read)
    except (ValueError, TypeError, OverflowError) as error:
        raise RequestError(f"a broken message: {error}") from None


def _renewed(content: dict[str, Any]) -> dict[str, Any]:
    """The JSON form of a message of the format before, in today's."""
    if new := {"explain", "members", "shadows"}.intersection(content):
        raise ValueError(f"format {FORMAT - 1} has no {', '.join(sorted(new))}")
    return content | {"explain": False, "members": {}, "shadows": []}


def _message(content: _Content) -> Message:
    message = Message(content.records, content.id, content.when, content.pin)
    for name in _PLAIN:
        setattr(message, name, getattr(content, name))
    message.headers = content.headers
    message.values = [[_unnumber(v) for v in row] for row in content.values]
    message.as_of = [_unnumber(v) for v in content.as_of]
    message.errors = {i: _unerror(e) for i, e in content.errors.items()}
    message.tensors = {
        d: {n: _unarray(a) for n, a in t.items()} for d, t in content.tensors.items()
    }
    message.scores = [_unarray(s) for s in content.scores]
    message.members = {
        version: _scored(_unarray(rows), _unarray(scores), len(content.rows))
        for version, (rows, scores) in content.members.items()
    }
    message.ended = time.perf_counter()
    message.started = message.ended - sum(message.timings.values()) * 1e-6  # as if all were here
    return message


def _scored(rows: Array, scores: Array, n: int) -> tuple[Array, Array]:
    """Which rows, and their scores. Raises ValueError where they are not."""
    if rows.dtype.kind != "i" or rows.ndim != 1 or scores.shape[:1] != rows.shape:
        raise ValueError("members: not as many scores as rows")
    if not all(0 <= row < n for row in rows.tolist()):
        raise ValueError("members: a row that is not there")
    return rows, scores


def _number(value: Value) -> Any:
    return value if not isinstance(value, float) or math.isfinite(value) else {"float": str(value)}


def _unnumber(value: Any) -> Any:
    return float(value.get("float", "")) if isinstance(value, dict) else value


def _array(array: npt.NDArray[Any]) -> dict[str, Any]:
    if array.dtype == object:
        return {
            "dtype": "object",
            "shape": list(array.shape),
            "data": [_number(v) for v in array.flat],
        }
    data = np.ascontiguousarray(array).tobytes().hex()
    return {"dtype": array.dtype.str, "shape": list(array.shape), "data": data}


def _unarray(content: _Array) -> npt.NDArray[Any]:
    if any(size < 0 for size in content.shape):
        raise ValueError(f"an array of shape {content.shape}")
    if isinstance(content.data, list):
        array = np.empty(len(content.data), object)
        array[:] = [_unnumber(v) for v in content.data]
    else:
        array = np.frombuffer(bytes.fromhex(content.data), np.dtype(content.dtype))
    return array.reshape(content.shape)


def _error(error: SluiceError) -> dict[str, Any]:
    field = getattr(error, "field", "")
    return {"error": str(error), "field": field, "status": error.status}


def _unerror(content: _Error) -> SluiceError:
    error = RecordError(content.field, content.error)
    error.args = (content.error,)
    error.status = content.status
    return error
