"""The registry: what features exist, where they come from, and who uses them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from sluice.features.definitions import Definitions
from sluice.features.entity import Entity, Feature


class Use(NamedTuple):
    """A model version, what it wants of the features, and the transform that takes them."""

    graph: str
    version: str
    features: tuple[str, ...]
    transform: str


def describe(definitions: Definitions) -> list[dict[str, Any]]:
    """Every feature as plain data, in the order of the declaration.

    Times are in seconds. `default` is None where nothing stands in, `max_age_s` where it never
    ages, `timestamp` where its entity has no time, `retention_s` where all rows are kept.
    `aggregate`, `of`, `window_s` and `events` are None where it is no aggregate, `window_s` where
    the window goes back for ever, too.
    """
    return [
        _describe(entity, feature)
        for entity in definitions.entities.values()
        for feature in entity.features
    ]


def _describe(entity: Entity, feature: Feature) -> dict[str, Any]:
    aggregate = feature.aggregate
    return {
        "name": feature.name,
        "type": feature.type,
        "default": None if feature.default != feature.default else feature.default,
        "max_age_s": _finite(feature.max_age),
        "aggregate": aggregate.kind if aggregate else None,
        "of": aggregate.of if aggregate else None,
        "window_s": _finite(aggregate.window) if aggregate else None,
        "events": entity.events,
        "entity": entity.name,
        "keys": dict(entity.keys),
        "timestamp": entity.timestamp,
        "delay_s": entity.delay,
        "retention_s": _finite(entity.retention),
        "source": entity.source or entity.online,
        "owner": entity.owner,
        "description": feature.description,
    }


def _finite(seconds: float) -> float | None:
    return None if math.isinf(seconds) else seconds


def told(feature: Feature, events: str | None) -> str:
    """How an aggregate comes of events, as `rate of late over 3h of departure`; else empty."""
    aggregate = feature.aggregate
    if aggregate is None:
        return ""
    field = f" of {aggregate.of}" if aggregate.of else ""
    return f"{aggregate.kind}{field} over {_length(aggregate.window)} of {events}"


def _length(seconds: float) -> str:
    """A length as it is declared.

    >>> _length(10800.0), _length(90.0)
    ('3h', '90s')
    """
    if math.isinf(seconds):
        return "all time"
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"


def users(definitions: Mapping[str, Definitions], uses: Iterable[Use]) -> list[dict[str, Any]]:
    """Who uses each feature: its lineage from the source to the model versions.

    Args:
        definitions: what each graph declares, by the graph's name.
        uses: the model versions to look through.

    Returns:
        One entry per graph and feature, in order: graph, feature, source, `aggregate` (how it
        comes of events, else empty), and `versions`, a list of {version, transform}, empty when
        nobody uses it. A version that wants a feature that its graph does not declare any more
        comes last, with source None.
    """
    table: dict[tuple[str, str], dict[str, Any]] = {}
    for graph, declared in definitions.items():
        for feature in declared.features.values():
            entity = declared.entities[feature.entity]
            source, aggregate = entity.source or entity.online, told(feature, entity.events)
            table[graph, feature.name] = _entry(graph, feature.name, source, aggregate)
    for use in uses:
        fields = definitions[use.graph].record.by_name if use.graph in definitions else {}
        for name in use.features:
            if name not in fields:
                entry = table.setdefault((use.graph, name), _entry(use.graph, name, None))
                entry["versions"].append({"version": use.version, "transform": use.transform})
    return list(table.values())


def _entry(graph: str, feature: str, source: str | None, aggregate: str = "") -> dict[str, Any]:
    entry = {"graph": graph, "feature": feature, "source": source, "aggregate": aggregate}
    return {**entry, "versions": []}
