"""A monitoring event without a subject's records."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from sluice.forget.subject import Subject
from sluice.streams.block import EMPTY, Row
from sluice.streams.stream import Record

WHY = "forgotten"


def without(subject: Subject, record: Record, event: dict[str, Any]) -> Row | None:
    """The event's row without the subject's records; None where none is there.

    An event whose records all are the subject's is empty. Else they become nulls, as those that
    were not answered are, so that the places of the others stay.
    """
    own = sorted(set(_own(subject, event)))
    size = len(event["request"]["inputs"])
    ids = event.get("sluice", {}).get("ids")
    for place in own:
        subject.note(ids[place] if ids else event["request"]["id"], 1 if ids else size)
    if not own:
        headers = [text.encode(errors="replace") for text in record.headers.values()]
        own = list(range(size)) if subject.quoted(record.value, *headers) else []
        if not own and not (size == 0 and event["request"]["id"] in subject.ids):
            return None
    if len(own) == size:
        subject.note(event["request"]["id"], size or 1)
        return EMPTY
    _blank(event, own)
    value = orjson.dumps(event)
    return EMPTY if subject.quoted(value) else (value, record.key, record.headers)


def _own(subject: Subject, event: dict[str, Any]) -> Iterator[int]:
    """The places of the subject's records."""
    request, block = event["request"], event.get("sluice", {})
    ids, errors = block.get("ids"), block.get("errors", {})
    if not ids and request["id"] in subject.ids:
        yield from range(len(request["inputs"]))
    features = block.get("features") or {"schema": [], "rows": []}
    outputs = event.get("resp", {})
    tables = [
        (request["input_schema"], request["inputs"]),
        (features["schema"], features["rows"]),
        (outputs.get("output_schema", []), outputs.get("outputs", [])),
    ]
    for place in range(len(request["inputs"])):
        row: dict[str, Any] = {}
        for names, rows in tables:
            row |= dict(zip(names, rows[place], strict=False)) if place < len(rows) else {}
        told = [row, block.get("details", {}).get(str(place)), errors.get(str(place))]
        if (
            (ids and ids[place] in subject.ids)
            or subject.tells(told)
            or subject.quoted(orjson.dumps(told))
        ):
            yield place


def _blank(event: dict[str, Any], own: list[int]) -> None:
    block = event["sluice"]
    tables = [event["request"]["inputs"], event.get("resp", {}).get("outputs", [])]
    tables.append((block.get("features") or {}).get("rows", []))
    for place in own:
        for rows in tables:
            if place < len(rows):
                rows[place] = [None] * len(rows[place])
        block["details"].pop(str(place), None)
        block["errors"][str(place)] = WHY
        for name, empty in (("ids", ""), ("traces", {})):
            if block.get(name):
                block[name][place] = empty
        for scores in block.get("members", {}).values():
            scores[place] = None
