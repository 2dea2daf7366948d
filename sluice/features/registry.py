"""The registry: what features exist, where they come from, and who uses them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from sluice.features.definitions import Definitions, Entity, Feature


class Use(NamedTuple):
    """A model version, what it wants of the features, and the transform that takes them."""

    graph: str
    version: str
    features: tuple[str, ...]
    transform: str


def describe(definitions: Definitions) -> list[dict[str, Any]]:
    """Every feature as plain data, in the order of the declaration.

    Times are in seconds. `default` is None where nothing stands in, `max_age_s` where it never
    ages, `timestamp` where its entity has no time.
    """
    return [
        _describe(entity, feature)
        for entity in definitions.entities.values()
        for feature in entity.features
    ]


def _describe(entity: Entity, feature: Feature) -> dict[str, Any]:
    return {
        "name": feature.name,
        "type": feature.type,
        "default": None if feature.default != feature.default else feature.default,
        "max_age_s": None if math.isinf(feature.max_age) else feature.max_age,
        "entity": entity.name,
        "keys": dict(entity.keys),
        "timestamp": entity.timestamp,
        "delay_s": entity.delay,
        "source": entity.source,
        "owner": entity.owner,
        "description": feature.description,
    }


def users(definitions: Mapping[str, Definitions], uses: Iterable[Use]) -> list[dict[str, Any]]:
    """Who uses each feature: its lineage from the source to the model versions.

    Args:
        definitions: what each graph declares, by the graph's name.
        uses: the model versions to look through.

    Returns:
        One entry per graph and feature, in order: graph, feature, source, and `versions`, a list
        of {version, transform}, empty when nobody uses it. A version that wants a feature that its
        graph does not declare any more comes last, with source None.
    """
    table: dict[tuple[str, str], dict[str, Any]] = {}
    for graph, declared in definitions.items():
        for feature in declared.features.values():
            source = declared.entities[feature.entity].source
            table[graph, feature.name] = _entry(graph, feature.name, source)
    for use in uses:
        fields = definitions[use.graph].record.by_name if use.graph in definitions else {}
        for name in use.features:
            if name not in fields:
                entry = table.setdefault((use.graph, name), _entry(use.graph, name, None))
                entry["versions"].append({"version": use.version, "transform": use.transform})
    return list(table.values())


def _entry(graph: str, feature: str, source: str | None) -> dict[str, Any]:
    return {"graph": graph, "feature": feature, "source": source, "versions": []}
