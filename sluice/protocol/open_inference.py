"""The Open Inference Protocol, version 2, over HTTP with JSON tensors.

Each field of a record is a tensor of shape [n] or [n, 1]; an empty text and NaN are nulls. The
outputs are those of the version: `probability` and `label`, or `prediction`, each [n]. One record
that breaks the schema fails the request and is named: tensors have no place for an error.

Specification: https://github.com/open-inference/open-inference-protocol
"""

from __future__ import annotations

import math
from typing import Any

from sluice.errors import RecordError, RequestError, nearest
from sluice.message import Message, request_id
from sluice.schema import Field, Schema

DATATYPES = {
    "string": "BYTES",
    "timestamp": "BYTES",
    "integer": "INT64",
    "number": "FP64",
    "boolean": "BOOL",
}
_INTEGERS = {f"{sign}INT{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)}
_ACCEPTED = {
    "string": {"BYTES"},
    "timestamp": {"BYTES"},
    "integer": {*_INTEGERS, "FP32", "FP64"},
    "number": {*_INTEGERS, "FP32", "FP64"},
    "boolean": {"BOOL"},
}


def is_request(body: Any) -> bool:
    """Whether a body's inputs are tensors: each has name, shape and datatype."""
    inputs = body.get("inputs") if isinstance(body, dict) else None
    keys = ("name", "shape", "datatype")
    return (
        isinstance(inputs, list)
        and bool(inputs)
        and all(isinstance(i, dict) and all(k in i for k in keys) for i in inputs)
    )


def unwrap(body: dict[str, Any], schema: Schema) -> Message:
    """The message for a request of tensors. Raises RequestError naming the tensor."""
    columns = {}
    for tensor in body["inputs"]:
        name = tensor["name"]
        field = schema.by_name.get(name) if isinstance(name, str) else None
        if field is None:
            raise RequestError(f"no input {name!r}: {nearest(str(name), schema.names)}")
        if name in columns:
            raise RequestError(f"input {name!r} is given twice")
        columns[name] = _values(tensor, field)
    lengths = {n: len(v) for n, v in columns.items()}
    if len(set(lengths.values())) > 1:
        raise RequestError(f"inputs differ in length: {lengths}")
    rows = zip(*columns.values(), strict=True)
    records = [dict(zip(columns, row, strict=True)) for row in rows]
    return Message(records, id=request_id(body.get("id")))


def _values(tensor: dict[str, Any], field: Field) -> list[Any]:
    name, shape, datatype = tensor["name"], tensor["shape"], tensor["datatype"]
    if datatype not in _ACCEPTED[field.type]:
        allowed = " or ".join(sorted(_ACCEPTED[field.type]))
        raise RequestError(f"input {name!r}: datatype {datatype!r}, expected {allowed}")
    data = tensor.get("data")
    if not isinstance(data, list):
        raise RequestError(f"input {name!r}: expected data, a list")
    if len(shape := _shape(shape, name)) == 2 and all(isinstance(v, list) for v in data):
        data = [v for row in data for v in row]
    if len(data) != shape[0]:
        raise RequestError(f"input {name!r}: shape {shape} but {len(data)} values")
    return [None if v == "" or _is_nan(v) else v for v in data]


def _shape(shape: Any, name: str) -> list[int]:
    whole = isinstance(shape, list) and all(type(s) is int and s >= 0 for s in shape)
    if not whole or len(shape) not in (1, 2) or (len(shape) == 2 and shape[1] != 1):
        raise RequestError(f"input {name!r}: shape {shape!r}, expected [n] or [n, 1]")
    result: list[int] = shape
    return result


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def wrap(reply: dict[str, Any], names: list[str], wanted: Any = None) -> dict[str, Any]:
    """The reply as tensors; `names` are the version's outputs, `wanted` the request's `outputs`.

    Raises RecordError naming the rows when a record failed, RequestError for an unknown output.
    """
    outputs = reply["outputs"]
    bad = {i: o["error"] for i, o in enumerate(outputs) if "error" in o}
    if bad:
        rows = "; ".join(f"row {i}: {text}" for i, text in bad.items())
        raise RecordError("", rows)
    chosen = _chosen(names, wanted)
    return {
        "id": reply["id"],
        "model_name": reply["model"],
        "model_version": reply["version"],
        "parameters": {"route": _route(reply["route"])},
        "outputs": [_tensor(name, [o[name] for o in outputs]) for name in chosen],
    }


def _chosen(names: list[str], wanted: Any) -> list[str]:
    if not wanted:
        return names
    asked = [str(w.get("name")) if isinstance(w, dict) else str(w) for w in wanted]
    for name in asked:
        if name not in names:
            raise RequestError(f"no output {name!r}: {nearest(name, names)}")
    return asked


def _route(route: Any) -> str:
    return f"{route['policy']}:{route['name']}" if isinstance(route, dict) else str(route)


def _tensor(name: str, values: list[Any]) -> dict[str, Any]:
    if values and isinstance(values[0], dict):
        data = [v for value in values for v in value.values()]
        shape = [len(values), len(values[0])]
    else:
        data, shape = values, [len(values)]
    kind = type(data[0])
    datatype = {bool: "BOOL", int: "INT64", float: "FP64"}.get(kind, "BYTES")
    return {"name": name, "shape": shape, "datatype": datatype, "data": data}


def metadata(graph: str, versions: list[str], schema: Schema, outputs: dict[str, str]) -> Any:
    """What GET /v2/models/{name} answers; `outputs` are names with their datatypes."""
    return {
        "name": graph,
        "versions": versions,
        "platform": "sluice",
        "inputs": [
            {"name": f.name, "datatype": DATATYPES[f.type], "shape": [-1]} for f in schema.fields
        ],
        "outputs": [{"name": n, "datatype": d, "shape": [-1]} for n, d in outputs.items()],
    }
