"""What the monitor knows of a version: its classes, and the bins that its reference makes."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sluice.drift.distribution import TEXT, Bins
from sluice.drift.reference import Reference
from sluice.errors import NotFound, VersionRefused
from sluice.models.manifest import Stored
from sluice.models.store import ModelStore
from sluice.windows.declared import Segment, fits

log = logging.getLogger("sluice.monitor")

REFERENCE = "reference.json"
OTHER, NULL = "other", "null"
_SCORE = "score["  # what the bins of a score are called


@dataclass(frozen=True)
class Known:
    """What is known of a version; of one that is not in the store, nothing.

    Attributes:
        task: as its manifest has it, or empty.
        classes: as its manifest has them.
        bins: of its columns, by name.
        scores: of its scores, one per place.
        segments: by field, the values that name segments.
    """

    task: str = ""
    classes: Sequence[Any] = ()
    bins: Mapping[str, Bins] = field(default_factory=dict)
    scores: Sequence[Bins] = ()
    segments: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def segment(self, field: str, value: str | None) -> str:
        """The segment of a record by a field's value."""
        if value is None:
            return NULL
        return value if value in self.segments[field] else OTHER


class Versions:
    """What is known of each version of a graph, read when it is first asked for.

    Args:
        models: where they are.
        graph: whose.
        segments: as declared.
    """

    def __init__(self, models: ModelStore, graph: str, segments: Sequence[Segment]) -> None:
        self._models, self._graph, self._segments = models, graph, segments
        self._known: dict[str, Known] = {}

    def of(self, version: str) -> Known:
        """Of a version, by its number; of a team ("1+3") of its first member.

        Raises StoreUnavailable.
        """
        known = self._known.get(version)
        if known is None:
            known = self._known[version] = self._read(version.partition("+")[0])
        return known

    def _read(self, number: str) -> Known:
        if number.isdecimal():
            try:
                return self._make(self._models.read(self._graph, number))
            except (NotFound, VersionRefused) as error:
                log.warning("%s: nothing is compared with a reference: %s", self._graph, error)
        return Known(segments={s.field: frozenset(s.values) for s in self._segments})

    def _make(self, stored: Stored) -> Known:
        bins = dict(self._bins(stored))
        scores = [bins.pop(name) for name in list(bins) if name.startswith(_SCORE)]
        return Known(
            task=stored.manifest.task,
            classes=stored.manifest.classes,
            bins=bins,
            scores=scores,
            segments={s.field: _values(s, bins) for s in self._segments},
        )

    def _bins(self, stored: Stored) -> Mapping[str, Bins]:
        """Those of its reference; without one, or with one of a newer format, none."""
        data = stored.files.get(REFERENCE)
        if data is None:
            return {}
        try:
            return Reference.load(data).bins
        except ValueError as error:
            version = stored.manifest.version
            log.warning("%s version %s: %s: %s", self._graph, version, REFERENCE, error)
            return {}


def _values(segment: Segment, bins: Mapping[str, Bins]) -> frozenset[str]:
    """The values that name segments: those declared, else the most frequent in the reference."""
    if segment.values:
        return frozenset(segment.values)
    column = bins.get(segment.field)
    if column is None or column.kind != TEXT:
        return frozenset()
    return frozenset([c for c in column.categories if fits(c)][: segment.most])
