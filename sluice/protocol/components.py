"""The schemas in /openapi.json: a graph's records and replies, tensors, what else is answered."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sluice.live import Live, Version
from sluice.models.signature import DATATYPES as TYPED
from sluice.models.signature import Tensor
from sluice.protocol.feedback import KEYS
from sluice.protocol.open_inference import ACCEPTED
from sluice.protocol.outputs import DATATYPES
from sluice.schema import Field, Schema
from sluice.team import COMBINES

TEXT: dict[str, Any] = {"type": "string"}
_NUMBER: dict[str, Any] = {"type": "number"}
COUNT: dict[str, Any] = {"type": "integer", "minimum": 0}
_ID: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": 200}
_FLAT: dict[str, Any] = {"type": "object", "additionalProperties": True}
_TYPES: dict[Any, str] = {bool: "boolean", int: "integer", float: "number", str: "string"}


def schemas(live: Live, schema: Schema, max_records: int) -> dict[str, Any]:
    """All of them, by name, in JSON Schema as OpenAPI 3.1 has it."""
    versions = list(live.versions.values())
    return {
        **_records(schema, max_records),
        **_replies(live.graph, versions),
        **_tensors(schema),
        **_described(live.graph),
        "FeedbackEntry": _entry(versions),
    }


def ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(required: Sequence[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": properties}


def _records(schema: Schema, max_records: int) -> dict[str, Any]:
    required = [f.name for f in schema.fields if f.required]
    fields = {f.name: _field(f) for f in schema.fields}
    anything = "a record; what is none has an error in its place in the reply"
    records = {
        "type": "array",
        "minItems": 1,
        "maxItems": max_records,
        "items": {"description": anything, "anyOf": [ref("Record"), {}]},
    }
    return {
        "Record": _object(required, **fields),
        "Records": records,
        "MLRunRequest": _object(["inputs"], id={"anyOf": [_ID, {"type": "null"}]}, inputs=records),
    }


def _field(field: Field) -> dict[str, Any]:
    kind = "string" if field.type == "timestamp" else field.type
    made: dict[str, Any] = {"type": [kind, "null"] if field.nullable else kind}
    if field.shape and field.type == "number":
        made["type"] = [kind, "null"]
    if field.type == "timestamp":
        made["format"] = "date-time"
    for name, limit in (("minimum", field.minimum), ("maximum", field.maximum)):
        if math.isfinite(limit):
            made[name] = int(limit) if limit.is_integer() and abs(limit) < 2**53 else limit
    made = _nested(made, field.shape)
    if field.description:
        made["description"] = field.description
    return made


def _nested(made: dict[str, Any], shape: Sequence[int]) -> dict[str, Any]:
    for size in reversed(shape):
        made = {"type": "array", "minItems": size, "maxItems": size, "items": made}
    return made


def _replies(graph: str, versions: Sequence[Version]) -> dict[str, Any]:
    failed = _object(["error"], error=TEXT)
    outputs: list[dict[str, Any]] = []
    for made in map(_output, versions):
        if made not in outputs:
            outputs.append(made)
    route = _route()
    stalest = _object(["entity", "age_s"], entity=TEXT, age_s=_NUMBER)
    shared = {
        "route": {"anyOf": [ref("Route"), {"const": "mixed"}, {"type": "null"}]},
        "outputs": {"type": "array", "minItems": 1, "items": ref("Output")},
        "stalest": {"anyOf": [stalest, {"type": "null"}], "description": "the oldest feature used"},
    }
    version = {"type": ["string", "null"], "description": "its number; mixed if rows differ"}
    reply = {"id": _ID, "model": {"const": graph}, "version": version, **shared}
    named = {"model_name": {"const": graph}, "model_version": version, "timestamp": TEXT}
    mlrun = {"id": _ID, **named, **shared}
    return {
        "Output": {"anyOf": [*outputs, failed]},
        "Route": route,
        "Reply": _object(list(reply), **reply),
        "MLRunReply": _object(list(mlrun), **mlrun),
        "Accepted": _object(["accepted"], accepted=COUNT),
        "Error": {**_object(["error"], error=TEXT, id=_ID), "additionalProperties": False},
    }


def _route() -> dict[str, Any]:
    member = _object(["version", "weight"], version=TEXT, weight=_NUMBER)
    return _object(
        ["policy", "name", "propensity"],
        policy=TEXT,
        name=TEXT,
        propensity=_NUMBER,
        reason=TEXT,
        combine={"enum": list(COMBINES), "description": "how the scores of members became one"},
        members={"type": "object", "additionalProperties": member},
        bias=_NUMBER,
        left_out={"type": "object", "additionalProperties": TEXT, "description": "who, and why"},
    )


def _output(version: Version) -> dict[str, Any]:
    if version.signature is not None:
        made = {output.name: _array_of(output) for output in version.signature.outputs}
        return _beside(made)
    classes = version.manifest.classes
    share = {"type": "number", "minimum": 0, "maximum": 1}
    by_class = _object([str(c) for c in classes], **{str(c): share for c in classes})
    known = {"probability": share, "label": {"enum": classes}, "probabilities": by_class}
    return _beside({name: known.get(name, _NUMBER) for name in version.manifest.outputs})


def _array_of(tensor: Tensor) -> dict[str, Any]:
    """An output of a model file."""
    kinds = {"text": "string", "bool": "boolean"}
    made: dict[str, Any] = {
        "type": kinds.get(tensor.dtype, "integer" if tensor.whole else "number")
    }
    return made if tensor.single else _nested(made, tensor.shape)


def _beside(made: Mapping[str, Any]) -> dict[str, Any]:
    why = {"type": "object", "additionalProperties": TEXT}
    beside = {"defaults": why, "version": TEXT, "route": ref("Route"), "correction": _correction()}
    return _object(list(made), **made, **beside)


def _correction() -> dict[str, Any]:
    at = {"type": "number", "description": "labels count that were known by then"}
    told = {"from": _NUMBER, "version": COUNT, "at": at, "frozen": {"type": "boolean"}}
    return _object(list(told), **told)


def _tensors(schema: Schema) -> dict[str, Any]:
    shape = {"type": "array", "items": COUNT, "minItems": 1}
    rows = {"type": "array", "items": {}}
    inputs = [
        _object(
            ["name", "shape", "datatype"],
            name={"const": field.name},
            datatype={"enum": list(ACCEPTED[field.type])},
            shape={**shape, "maxItems": max(2, 1 + len(field.shape))},
            data=rows,
            parameters=_FLAT,
        )
        for field in schema.fields
    ]
    wanted = _object(["name"], name=TEXT, parameters=_FLAT)
    request = _object(
        ["inputs"],
        id={"anyOf": [_ID, {"type": "null"}]},
        parameters=_FLAT,
        inputs={"type": "array", "minItems": 1, "items": {"anyOf": inputs}},
        outputs={"type": "array", "items": wanted},
    )
    kinds = {"enum": sorted({*DATATYPES.values(), *TYPED.values()})}
    tensor = _object(
        ["name", "shape", "datatype"],
        name=TEXT, shape=shape, datatype=kinds, data=rows, parameters=_FLAT,
    )  # fmt: skip
    reply = _object(
        ["id", "model_name", "model_version", "outputs"],
        id=_ID, model_name=TEXT, model_version=TEXT, parameters=_FLAT,
        outputs={"type": "array", "items": tensor},
    )  # fmt: skip
    return {"TensorRequest": request, "TensorReply": reply}


def _described(graph: str) -> dict[str, Any]:
    """What the GET paths answer."""
    yes, texts = {"const": True}, {"type": "array", "items": TEXT}
    shape = {"type": "array", "items": {"type": "integer"}}
    tensor = _object(
        ["name", "datatype", "shape"], name=TEXT, datatype=TEXT, shape=shape, parameters=_FLAT
    )
    tensors = {"type": "array", "items": tensor}
    metadata = {"name": {"const": graph}, "versions": texts, "platform": TEXT}
    metadata |= {"inputs": tensors, "outputs": tensors}
    aliases = {"type": "object", "additionalProperties": TEXT}
    return {
        "Document": _object(["openapi", "paths"], openapi=TEXT, paths=_FLAT),
        "Server": _object(
            ["name", "version", "extensions"], name=TEXT, version=TEXT, extensions=texts
        ),
        "Health": _object(["live"], live=yes),
        "Readiness": _object(["ready"], ready=yes, model=TEXT, versions=aliases, refused=aliases),
        "Metadata": _object(list(metadata), **metadata),
        "ModelReadiness": _object(["name", "version", "ready"], name=TEXT, version=TEXT, ready=yes),
    }


def _entry(versions: Sequence[Version]) -> dict[str, Any]:
    """One entry of feedback."""
    labels = {_TYPES[type(c)] for v in versions for c in v.manifest.classes or (0.0,)}
    told = {
        "id": {**_ID, "description": "of the request"},
        "label": {"type": [*sorted(labels), "null"], "description": "what turned out to be true"},
        "reward": {"type": ["number", "null"]},
        "record": {**COUNT, "maximum": (1 << 31) - 1, "default": 0},
        "when": {"type": ["string", "null"], "format": "date-time"},
    }
    given = [{"required": [n], "properties": {n: {"not": {"type": "null"}}}} for n in KEYS[1:3]]
    return {**_object(["id"], **told), "additionalProperties": False, "anyOf": given}
