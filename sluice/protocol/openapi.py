"""GET /openapi.json: the surface of one graph as OpenAPI 3.1, made from what is live.

The schemas are those of this graph: the records that it declares, the outputs of the versions that
answer now.
"""

from __future__ import annotations

from typing import Any

import sluice
from sluice.live import Live
from sluice.protocol.components import COUNT, TEXT, ref, schemas
from sluice.protocol.http import BINARY, JSON
from sluice.protocol.open_inference import HEADER
from sluice.schema import Schema

_FAILURES = {
    "400": "malformed: the text says where",
    "401": "not known who asks",
    "403": "not allowed",
    "404": "no such path, model or version",
    "405": "the method is not for this path; Allow says which are",
    "408": "the request did not come in time",
    "413": "too large: the body, or too many records",
    "422": "breaks the schema: the text names record, field, what was found and what is allowed",
    "429": "too many requests; Retry-After says when to try again",
    "431": "the headers are too large",
    "500": "our failure; the log has it under the id",
    "503": "can't answer now; Retry-After says when to try again",
    "504": "not answered in time",
}
_ANY = ("400", "401", "403", "405", "408", "413", "429", "431", "500", "503", "504")
# In a list, whatever is no good record has its error in its place in the reply.
_BODIES = {"anyOf": [ref("Record"), ref("Records"), ref("MLRunRequest")]}
_REPLIES = {"anyOf": [ref("Reply"), ref("MLRunReply")]}
_WAIT = ("429", "503")


def document(live: Live, schema: Schema, max_records: int, feedback: bool) -> dict[str, Any]:
    """The document. `feedback` says whether that path is there."""
    model = f"/v2/models/{live.graph}"
    paths = {"/": {"post": _operation("ask", _BODIES, _REPLIES, "422")}}
    for operation in ("infer", "predict"):
        for path, name in (
            (model, operation),
            (f"{model}/versions/{{version}}", f"{operation}Version"),
        ):
            paths[f"{path}/{operation}"] = _infer(name, path)
    if feedback:
        paths["/feedback"] = {"post": _feedback()}
    paths |= _gets(model)
    paths["/metrics"] = {"get": _metrics()}
    return {
        "openapi": "3.1.0",
        "info": {"title": live.graph, "version": sluice.__version__},
        "paths": paths,
        "components": {
            "schemas": schemas(live, schema, max_records),
            "responses": {status: _failure(status) for status in _FAILURES},
        },
    }


def _json(schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"description": description, "content": {JSON: {"schema": schema}}}


def _failure(status: str) -> dict[str, Any]:
    failure = _json(ref("Error"), _FAILURES[status])
    if status in _WAIT:
        failure["headers"] = {"Retry-After": {"description": "seconds", "schema": COUNT}}
    if status == "405":
        failure["headers"] = {"Allow": {"required": True, "schema": TEXT}}
    if status in ("401", "403"):
        failure["headers"] = {"WWW-Authenticate": {"required": True, "schema": TEXT}}
    return failure


def _failures(*more: str) -> dict[str, Any]:
    return {s: {"$ref": f"#/components/responses/{s}"} for s in sorted((*_ANY, *more))}


def _operation(id: str, body: Any, reply: Any, *more: str) -> dict[str, Any]:
    return {
        "operationId": id,
        "requestBody": {"required": True, "content": {JSON: {"schema": body}}},
        "responses": {"200": _json(reply, "the answer"), **_failures(*more)},
    }


def _infer(id: str, path: str) -> dict[str, Any]:
    tensors = [ref("TensorRequest"), ref("MLRunRequest")]
    replies = {"anyOf": [ref("TensorReply"), ref("MLRunReply")]}
    operation = _operation(id, {"anyOf": tensors}, replies, "404", "422")
    answered = operation["responses"]["200"]
    answered["content"][BINARY] = {"schema": {}}
    answered["headers"] = {HEADER: {"description": "bytes of the JSON", "schema": COUNT}}
    operation["requestBody"]["content"][BINARY] = {"schema": {}}
    described = "bytes of JSON, a TensorRequest, at the start of the body; tensors follow"
    header = {"name": HEADER, "in": "header", "description": described, "schema": COUNT}
    return {"post": {**operation, "parameters": [header, *_version(path)]}}


def _version(path: str) -> list[dict[str, Any]]:
    if "{version}" not in path:
        return []
    text = {"type": "string", "minLength": 1}
    found = {"name": "version", "in": "path", "required": True, "schema": text}
    return [{**found, "description": "a live version's number, or an alias"}]


def _feedback() -> dict[str, Any]:
    entries = {"type": "array", "minItems": 1, "items": ref("FeedbackEntry")}
    operation = _operation(
        "feedback", {"anyOf": [ref("FeedbackEntry"), entries]}, ref("Accepted"), "422"
    )
    accepted = operation["responses"].pop("200")
    operation["responses"]["202"] = {**accepted, "description": "kept"}
    return operation


def _metrics() -> dict[str, Any]:
    text = {"text/plain": {"schema": {"type": "string"}}}
    page = {"description": "all workers' numbers, for Prometheus", "content": text}
    return {"operationId": "getMetrics", "responses": {"200": page, **_failures()}}


def _gets(model: str) -> dict[str, Any]:
    replies = {
        "/openapi.json": "Document",
        "/v2": "Server",
        "/v2/health/live": "Health",
        "/v2/health/ready": "Readiness",
        model: "Metadata",
        f"{model}/ready": "ModelReadiness",
        f"{model}/versions/{{version}}": "Metadata",
        f"{model}/versions/{{version}}/ready": "ModelReadiness",
    }
    return {
        path: {
            "get": {
                "operationId": f"get{reply}{'Version' if '{' in path else ''}",
                "parameters": _version(path),
                "responses": {"200": _json(ref(reply), "the answer"), **_failures("404")},
            }
        }
        for path, reply in replies.items()
    }
