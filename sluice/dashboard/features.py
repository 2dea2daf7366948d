"""A version's features and scores beside those that it was trained on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from sluice.drift.estimate import estimate
from sluice.drift.reference import Reference
from sluice.drift.report import FeatureDrift, compare
from sluice.drift.settings import DriftSettings
from sluice.errors import NotFound, SluiceError, VersionRefused, told
from sluice.models.store import ModelStore
from sluice.windows.versions import REFERENCE
from sluice.windows.window import Window, merged

_CATEGORIES = 8  # that are shown; the others are one
Plain = dict[str, Any]


class References:
    """The references of a graph's versions, each read once: a version never changes.

    `moments` are the columns that are times.
    """

    def __init__(self, models: ModelStore, graph: str, moments: Collection[str]) -> None:
        self._models, self._graph, self._moments = models, graph, moments
        self._kept: dict[str, Reference] = {}

    def of(self, version: str) -> Reference:
        """That of a version, of a team ("1+3") that of its first member.

        Raises NotFound, VersionRefused, StoreUnavailable.
        """
        number = version.partition("+")[0]
        if number not in self._kept:
            data = self._models.read(self._graph, number).files.get(REFERENCE)
            if data is None:
                raise NotFound(f"version {number} has no {REFERENCE}")
            try:
                self._kept[number] = Reference.load(data, self._moments)
            except ValueError as error:
                raise VersionRefused(self._graph, number, REFERENCE, str(error)) from None
        return self._kept[number]


def of_features(
    references: References,
    windows: Sequence[Window],
    settings: DriftSettings,
    hidden: Collection[str],
) -> Plain:
    """The windows of the version with most records, beside its reference.

    Args:
        hidden: fields that are redacted, so their categories are not shown either.
    """
    version = main_version(windows)
    if not version:
        return {"version": "", "why": "no version has answered", "features": []}
    try:
        reference = references.of(version)
    except SluiceError as error:
        why = f"nothing to compare version {version} with: {told(error)}"
        return {"version": version, "why": why, "features": []}
    whole = merged(w for w in windows if w.version == version)
    counts = _counts(whole, reference)
    watched = replace(settings, ignore=(*settings.ignore, *hidden))
    try:
        report = compare(reference, counts, settings=watched, span=(whole.start, whole.end))
    except ModuleNotFoundError as error:  # an image that serves need not have scipy
        why = f"nothing is compared here: {error.name} is not installed"
        return {"version": version, "why": why, "features": []}
    shown = sorted(report.features, key=lambda f: (not f.drifted, not f.judged, -f.effect, f.name))
    return {
        "version": version,
        "why": "",
        "start": whole.start,
        "end": whole.end,
        "records": whole.records,
        "drifted": [f.name for f in shown if f.drifted],
        "judged": sum(f.judged for f in shown),
        "level": report.level,
        "effect": report.effect,
        "features": [_feature(f) for f in shown],
        "estimated": _estimated(reference, counts),
    }


def main_version(windows: Sequence[Window]) -> str:
    """The version that has answered most; empty for none."""
    records: dict[str, int] = {}
    for window in windows:
        records[window.version] = records.get(window.version, 0) + window.records
    found = {v: n for v, n in records.items() if v[:1].isdecimal() and n}
    return max(found, key=found.__getitem__) if found else ""


def _counts(whole: Window, reference: Reference) -> Mapping[str, Any]:
    """A window's counts by column, those that were counted in the reference's cells."""
    found = {}
    for name, bins in reference.bins.items():
        kind, key = ("score", name[6:-1]) if name.startswith("score[") else ("feature", name)
        counts = whole.cell.counts.get((kind, key, bins.identity))
        if counts is not None:
            found[name] = counts
    return found


def _feature(feature: FeatureDrift) -> Plain:
    plain = dict(vars(feature))  # asdict would copy what it holds, too
    cells = [
        {"cell": cell, "count": count, "share": share, "expected": expected}
        for cell, count, share, expected in zip(
            plain.pop("cells"), plain.pop("counts"), plain.pop("shares"), plain.pop("expected"),
            strict=True,
        )
    ]  # fmt: skip
    return {**plain, "cells": cells if feature.kind == "number" else _shortened(cells)}


def _shortened(cells: list[Plain]) -> list[Plain]:
    """The largest cells of a text, all others as one; a cell with nothing in it is left out."""
    there = [cell for cell in cells if cell["count"] or cell["expected"] > 0]
    there.sort(key=lambda cell: -max(cell["share"], cell["expected"]))
    if len(there) <= _CATEGORIES + 1:
        return there
    rest = there[_CATEGORIES:]
    summed = {name: sum(cell[name] for cell in rest) for name in ("count", "share", "expected")}
    return [*there[:_CATEGORIES], {"cell": f"{len(rest)} more", **summed}]


def _estimated(reference: Reference, counts: Mapping[str, Any]) -> Plain | None:
    """What performance to expect while labels are late; of two classes alone."""
    bins, found = reference.bins.get("score[0]"), counts.get("score[0]")
    if bins is None or found is None or "score[1]" in reference.bins:
        return None
    if len(bins.quantiles) == 0 or not 0 <= bins.quantiles.min() <= bins.quantiles.max() <= 1:
        return None
    made = estimate(bins, found)
    if made is None:
        return None
    metrics = [{"metric": name, **asdict(value)} for name, value in made.metrics.items()]
    return {"rows": made.rows, "metrics": metrics}
