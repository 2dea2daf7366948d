"""MLRun's protocol: {"inputs": […]} in; {"id", "model_name", "outputs", "timestamp"} out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sluice.errors import RequestError
from sluice.message import Message, request_id, wants_explanation
from sluice.schema import Schema


def unwrap(body: Any, schema: Schema, id: str | None) -> Message:
    """The message for a body: inputs are records, or lists of values in the schema's order.

    The body's own id goes before `id`, that of the headers. Raises RequestError for anything else.
    """
    if not isinstance(body, dict) or not isinstance(body.get("inputs"), list):
        raise RequestError('expected {"inputs": [records]}')
    records = [_record(r, i, schema) for i, r in enumerate(body["inputs"])]
    message = Message(records, id=request_id(body.get("id")) or id)
    message.explain = wants_explanation(body)
    return message


def _record(record: Any, index: int, schema: Schema) -> Any:
    if not isinstance(record, list):
        return record
    if len(record) != len(schema.names):
        fields = ", ".join(schema.names)
        raise RequestError(
            f"inputs[{index}]: {len(record)} values for the {len(schema.names)} fields {fields}"
        )
    return dict(zip(schema.names, record, strict=True))


def wrap(reply: dict[str, Any]) -> dict[str, Any]:
    """The reply in MLRun's shape, with ours beside it."""
    return {
        "id": reply["id"],
        "model_name": reply["model"],
        "model_version": reply["version"],
        "outputs": reply["outputs"],
        "timestamp": datetime.now(UTC).isoformat(sep=" ", timespec="microseconds"),
        "route": reply["route"],
        "stalest": reply["stalest"],
    }
