"""The references of versions, read when they are first asked for."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sluice.drift.distribution import Counts
from sluice.drift.reference import Reference
from sluice.errors import NotFound, VersionRefused
from sluice.models.store import ModelStore
from sluice.schema import Schema
from sluice.windows.versions import REFERENCE
from sluice.windows.window import Window

log = logging.getLogger("sluice.alerts")


@dataclass(frozen=True)
class VersionReference:
    """What a version was trained on.

    Attributes:
        reference: its columns and scores.
        classes: as its manifest has them.
        scored: whether scores that were counted are this version's own; those of a team are not.
        moments: columns of times: they go on, and are never again what they were in training.
    """

    reference: Reference
    classes: Sequence[Any]
    scored: bool
    moments: frozenset[str]

    def fitting(self, window: Window) -> Mapping[str, Counts]:
        """A window's counts of columns and scores, by the names of the reference, as far as they
        were counted in its cells."""
        bins, found = self.reference.bins, {}
        for name, counts in window.cell.counts.items():
            column = _column(name, self.scored)
            if column not in self.moments and column in bins and bins[column].identity == name[2]:
                found[column] = counts
        return found


def _column(name: Sequence[str], scored: bool) -> str:
    """The reference's name of what a cell has counted; empty for what has none."""
    if name[0] == "feature":
        return name[1]
    return f"score[{name[1]}]" if name[0] == "score" and scored else ""


class References:
    """Those of a graph's versions.

    Args:
        models: where they are.
        graph: whose.
        schema: of a record.
    """

    def __init__(self, models: ModelStore, graph: str, schema: Schema) -> None:
        self._models, self._graph = models, graph
        self._moments = frozenset(f.name for f in schema.fields if f.type == "timestamp")
        self._found: dict[str, VersionReference | None] = {}

    def of(self, version: str) -> VersionReference | None:
        """Of a version; of a team ("1+3") its first member's; None where there is none.

        Raises StoreUnavailable.
        """
        if version not in self._found:
            self._found[version] = self._read(version)
        return self._found[version]

    def _read(self, version: str) -> VersionReference | None:
        number, _, others = version.partition("+")
        if not number.isdecimal():
            return None
        try:
            stored = self._models.read(self._graph, number)
            data = stored.files.get(REFERENCE)
            if data is None:
                return None
            reference, classes = Reference.load(data), stored.manifest.classes
            return VersionReference(reference, classes, not others, self._moments)
        except (NotFound, VersionRefused, ValueError) as error:
            log.warning("%s: version %s is not compared: %s", self._graph, version, error)
            return None
