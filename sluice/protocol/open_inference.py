"""The Open Inference Protocol, version 2, over HTTP, with tensors as JSON and as bytes.

Each field of a record is a tensor of [n] or [n, 1], an array one of [n, …]; an empty text, NaN and
null are nulls. The outputs are those of the version that answers: `probability` and `label`,
`probabilities` and `label`, `prediction`, or a model file's own; ranked.py says what they are of
ranked lists. One record that breaks the schema fails the request and is named: tensors have no
place for an error.

Specification: https://github.com/open-inference/open-inference-protocol
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

from sluice.errors import RecordError, RequestError, nearest
from sluice.live import Version
from sluice.message import Message, request_id
from sluice.protocol.http import BINARY, Answer, Request, dumps, loads
from sluice.protocol.outputs import outputs_of
from sluice.protocol.ranked import Ranked, beside
from sluice.protocol.tensors import NUMBERS, Tail, read, read_arrays, to_bytes
from sluice.quote import found
from sluice.schema import Field, Schema

HEADER = "Inference-Header-Content-Length"
ACCEPTED = {
    "string": ("BYTES",),
    "timestamp": ("BYTES",),
    "integer": NUMBERS,
    "number": NUMBERS,
    "boolean": ("BOOL",),
}


def split(request: Request) -> tuple[Any, Tail | None]:
    """The JSON of a request, and the bytes behind it if the header says that there may be some.

    Raises RequestError.
    """
    length = request.header(HEADER.lower())
    body = request.body
    if length is None or not isinstance(body, bytes):
        return loads(body), None
    if not (length.isascii() and length.isdigit() and len(length) < 20):
        raise RequestError(f"{HEADER}: expected a number of bytes, found {found(length)}")
    size = int(length)
    if size > len(body):
        raise RequestError(f"{HEADER}: {size}, but the body has {len(body)} bytes")
    return loads(body[:size]), Tail(body[size:])


def is_request(body: Any) -> bool:
    """Whether a body's inputs are tensors: each has name, shape and datatype."""
    inputs = body.get("inputs") if isinstance(body, dict) else None
    keys = ("name", "shape", "datatype")
    return (
        isinstance(inputs, list)
        and bool(inputs)
        and all(isinstance(i, dict) and all(k in i for k in keys) for i in inputs)
    )


def unwrap(
    body: dict[str, Any],
    schema: Schema,
    tail: Tail,
    id: str | None,
    ranked: Ranked | None = None,
) -> Message:
    """The message for a request of tensors. Raises RequestError naming the tensor.

    The body's own id goes before `id`, that of the headers.
    """
    columns: dict[str, list[Any]] = {}
    for tensor in body["inputs"]:
        name = tensor["name"]
        if isinstance(name, str) and name in columns:
            raise RequestError(f"input {name!r} is given twice")
        if ranked is not None and name == ranked.given:
            columns[name] = ranked.candidates(tensor, tail)
            continue
        field = schema.by_name.get(name) if isinstance(name, str) else None
        if field is None:
            names = [*schema.names, *([ranked.given] if ranked else [])]
            raise RequestError(f"no input {found(name)}: {nearest(found(name), names)}")
        _check_datatype(field, tensor["datatype"])
        if field.shape:
            columns[name] = read_arrays(tensor, tail, field.shape)
            continue
        columns[name] = [None if v == "" or v != v else v for v in read(tensor, tail)]
    tail.done()
    lengths = {n: len(v) for n, v in columns.items()}
    if len(set(lengths.values())) > 1:
        raise RequestError(f"inputs differ in length: {lengths}")
    rows = zip(*columns.values(), strict=True)
    records = [dict(zip(columns, row, strict=True)) for row in rows]
    return Message(records, id=request_id(body.get("id")) or id)


def _check_datatype(field: Field, datatype: Any) -> None:
    if datatype not in ACCEPTED[field.type]:
        allowed = " or ".join(ACCEPTED[field.type])
        raise RequestError(f"input {field.name!r}: datatype {found(datatype)}, expected {allowed}")


class Wanted:
    """What a request asks for: which outputs, and which of them as bytes.

    Raises RequestError for what it can't ask for, and for outputs that none of `versions` has, or
    no list where lists are answered.
    """

    def __init__(
        self, body: dict[str, Any], versions: Iterable[Version], ranked: Ranked | None = None
    ) -> None:
        parameters, outputs = body.get("parameters") or {}, body.get("outputs") or []
        if not isinstance(parameters, dict):
            raise RequestError("parameters: expected an object")
        if not isinstance(outputs, list) or not all(map(_is_named, outputs)):
            raise RequestError('outputs: expected a list of {"name": …}')
        everything = parameters.get("binary_data_output") is True
        self.names = [output["name"] for output in outputs]
        given = {o["name"]: (o.get("parameters") or {}).get("binary_data") for o in outputs}
        self._binary = {n: everything if b is None else b is True for n, b in given.items()}
        self._everything = everything
        self.ranked = ranked
        self.choose(ranked.outputs if ranked else _names(versions))

    def choose(self, names: Iterable[str]) -> list[str]:
        """The asked-for of the outputs `names`; all where none is. Raises RequestError."""
        there = list(names)
        for name in self.names:
            if name not in there:
                raise RequestError(f"no output {found(name)}: {nearest(found(name), there)}")
        return self.names or there

    def as_bytes(self, name: str) -> bool:
        """Whether an output goes out as bytes."""
        return self._binary.get(name, self._everything)


def _names(versions: Iterable[Version]) -> list[str]:
    return list(dict.fromkeys(name for v in versions for name in v.manifest.outputs))


def _is_named(output: Any) -> bool:
    return (
        isinstance(output, dict)
        and isinstance(output.get("name"), str)
        and isinstance(output.get("parameters") or {}, dict)
    )


def wrap(message: Message, reply: dict[str, Any], wanted: Wanted) -> Answer:
    """The reply as tensors, with bytes behind the JSON where the request wants them.

    Raises RecordError naming the rows when a record failed, Unavailable when too few members of an
    ensemble answered; RequestError when rows were answered by versions that share no output, or
    not the one that was asked for.
    """
    outputs = reply["outputs"]
    bad = {i: o["error"] for i, o in enumerate(outputs) if "error" in o}
    if bad:
        for error in message.errors.values():
            if error.status >= 500:  # nobody's record is at fault
                raise error
        raise RecordError("", "; ".join(f"row {i}: {text}" for i, text in bad.items()))
    tails: list[bytes] = []
    there = _lists(outputs, wanted.ranked) if wanted.ranked else _singles(message, outputs)
    tensors = [
        _tensor(name, there[name], tails if wanted.as_bytes(name) else None)
        for name in wanted.choose(there)
    ]
    body = dumps(
        {
            "id": reply["id"],
            "model_name": reply["model"],
            "model_version": reply["version"],
            "parameters": _parameters(message, reply),
            "outputs": tensors,
        }
    )
    if not tails:
        return Answer(200, body)
    return Answer(200, b"".join([body, *tails]), {HEADER: str(len(body))}, BINARY)


class Values(NamedTuple):
    """One output of a reply."""

    datatype: str
    shape: list[int]
    values: list[Any]


def _singles(message: Message, outputs: Sequence[Mapping[str, Any]]) -> dict[str, Values]:
    """The outputs that all versions share which answered. Raises RequestError if there is none."""
    numbers = dict.fromkeys(choice.version for choice in message.route)
    there = outputs_of([message.live.answering(number) for number in numbers])
    if not there:
        answered = " and ".join(numbers)
        raise RequestError(f"versions {answered} answered and share no output: name a version")
    made = {}
    for name, output in there.items():
        values = [o[name] for o in outputs]
        if output.classes:
            values = [value[c] for value in values for c in output.classes]
        for _ in output.sizes:
            values = list(chain.from_iterable(values))
        made[name] = Values(output.datatype, [len(outputs), *output.shape[1:]], values)
    return made


def _lists(outputs: Sequence[Mapping[str, Any]], ranked: Ranked) -> dict[str, Values]:
    return {n: Values(t, *ranked.values(n, outputs)) for n, t in ranked.outputs.items()}


def _tensor(name: str, output: Values, tails: list[bytes] | None) -> dict[str, Any]:
    datatype, shape, values = output
    if datatype == "BYTES":
        values = [str(value) for value in values]
    tensor: dict[str, Any] = {"name": name, "shape": shape, "datatype": datatype}
    if tails is None:
        tensor["data"] = values
    else:
        tails.append(to_bytes(datatype, values))
        tensor["parameters"] = {"binary_data_size": len(tails[-1])}
    return tensor


def _parameters(message: Message, reply: dict[str, Any]) -> dict[str, Any]:
    """What our replies say beside the outputs, as flat as this protocol wants it."""
    route, stalest = reply["route"], reply["stalest"]
    if isinstance(route, dict):
        flat: dict[str, Any] = {"route": f"{route['policy']}:{route['name']}"}
    else:
        flat = {"route": route, "versions": ",".join(c.version for c in message.route)}
    if stalest:
        flat["stalest_entity"], flat["stalest_age_s"] = stalest["entity"], stalest["age_s"]
    defaults = {str(i): o["defaults"] for i, o in enumerate(reply["outputs"]) if "defaults" in o}
    if defaults:
        flat["defaults"] = dumps(defaults).decode()
    return flat | {name: dumps(told).decode() for name, told in beside(reply["outputs"]).items()}
