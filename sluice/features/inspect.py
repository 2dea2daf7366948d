"""What a key's values are, or were as of a time, for people who look."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sluice.errors import DeclarationError, RecordError, nearest
from sluice.features.definitions import Definitions
from sluice.features.entity import Entity
from sluice.features.lookup import Lookup
from sluice.features.plan import delay
from sluice.features.store import Key, OnlineStore
from sluice.schema import Value


def value_of(
    definitions: Definitions, store: OnlineStore, entity: str, key: Sequence[str], as_of: float
) -> dict[str, Any]:
    """What a record that asks as of a time would look up of one key.

    Args:
        definitions: what features.yaml declares.
        store: the online store.
        entity: its name.
        key: the parts of the key as text.
        as_of: seconds since the Unix epoch.

    Returns:
        entity, key, as_of, event_time (of the row that was found; None where there is none),
        age_s, values by feature, and `defaulted`: by feature why its default stands in.

    Raises DeclarationError for an unknown entity, RecordError for a key that does not fit.
    """
    if entity not in definitions.entities:
        hint = nearest(entity, definitions.entities)
        raise DeclarationError(definitions.file, "entities", f"no entity {entity!r}", hint)
    declared = definitions.entities[entity]
    parts = typed_key(definitions, declared, key)
    by_field = dict(zip(declared.keys.values(), parts, strict=True))
    record: list[Value] = [by_field.get(name) for name in definitions.record.names]
    names = [f.name for f in declared.features]
    looked_up, defaulted = [*record], dict[str, str]()
    Lookup(definitions, names, store).look_up([looked_up], [as_of], [defaulted])
    [row] = store.get_many([(entity, parts)], as_of - delay(declared))
    event_time = None if row is None or math.isinf(row[0]) else row[0]
    plain = [None if value != value else value for value in looked_up[len(record) :]]
    return {
        "entity": entity,
        "key": dict(zip(declared.keys, parts, strict=True)),
        "as_of": when(as_of),
        "event_time": None if event_time is None else when(event_time),
        "age_s": None if event_time is None else as_of - event_time,
        "values": dict(zip(names, plain, strict=True)),
        "defaulted": defaulted,
    }


def when(moment: float) -> str | None:
    """A moment (seconds since the Unix epoch) as ISO 8601 in UTC; None if it is not finite."""
    return datetime.fromtimestamp(moment, UTC).isoformat() if math.isfinite(moment) else None


def typed_key(definitions: Definitions, entity: Entity, given: Sequence[str]) -> Key:
    """The key whose parts are these texts. Raises RecordError for one that does not fit."""
    if len(given) != len(entity.keys):
        expected = f"expected {len(entity.keys)} parts: {', '.join(entity.keys)}"
        raise RecordError("key", f"{expected}; found {len(given)}")
    fields = [definitions.record.by_name[name] for name in entity.keys.values()]
    return tuple(
        text if field.type == "string" else _number(column, text)
        for column, text, field in zip(entity.keys, given, fields, strict=True)
    )


def _number(column: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise RecordError(f"key {column}", f"expected a number, found {text!r}") from None
