"""All that is known of one version, from what it was made of to what it answered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sluice.audit.line import Line
from sluice.errors import NotFound
from sluice.loop.history import stories
from sluice.models.aliases import Move
from sluice.models.manifest import Manifest
from sluice.models.store import ModelStore
from sluice.project import Project
from sluice.windows.windows import Windows

_MADE = ("data", "code")


class Held(NamedTuple):
    """A stretch of time in which an alias named the version; `until` is None as long as it does."""

    alias: str
    since: str
    until: str | None
    by: str


class Answered(NamedTuple):
    """How many records the version answered, and did not, on a day (UTC)."""

    day: str
    records: int
    refused: int


class Lineage(NamedTuple):
    """One version.

    Attributes:
        data: by table its source, digest and rows; empty for one trained before that was noted.
        code: commit, whether files differed from it, and a digest; likewise.
        features: by column that it needs, its declaration.
        training: seed, rows, window, estimator, libraries, conversion.
        files: by name, their SHA-256 sums.
        gate: the evidence of the first promotion that has some.
        held: the aliases that named it, over time.
        events: what loop, canary and people did with it, and why.
        audit: the lines of the audit trail that name it.
        answered: by day; empty where the monitor never ran.
    """

    graph: str
    version: str
    created: str
    data: dict[str, Any]
    code: dict[str, Any]
    features: dict[str, Any]
    training: dict[str, Any]
    metrics: dict[str, Any]
    files: dict[str, str]
    gate: Any
    held: list[Held]
    events: list[dict[str, Any]]
    audit: list[int]
    answered: list[Answered]


def lineage(
    project: Project, models: ModelStore, graph: str, version: str, trail: Iterable[Line]
) -> Lineage:
    """What is known of a version by its number. Raises NotFound, VersionRefused."""
    manifest, moves = models.manifest(graph, version), models.history(graph)
    training = {n: v for n, v in manifest.training.items() if n not in _MADE}
    story = next(story for story in stories(models, graph) if story.version == version)
    own = [m for m in moves if m.version == version and m.action == "promote" and m.evidence]
    return Lineage(
        graph=graph,
        version=version,
        created=manifest.created,
        data=manifest.training.get("data", {}),
        code=manifest.training.get("code", {}),
        features={name: _declared(manifest, name) for name in manifest.features},
        training=training,
        metrics=dict(manifest.metrics),
        files={name: file.sha256 for name, file in manifest.files.items()},
        gate=own[0].evidence if own else None,
        held=list(held(moves, version)),
        events=[line._asdict() for line in story.lines],
        audit=[line.number for line in trail if _names(line, graph, version)],
        answered=_answered(project, graph, version),
    )


def held(moves: Sequence[Move], version: str) -> Iterator[Held]:
    """When which alias named a version, in the order of the moves that made it so."""
    for place, move in enumerate(moves):
        if move.version == version:
            later = [m for m in moves[place + 1 :] if m.alias == move.alias]
            yield Held(move.alias, move.at, later[0].at if later else None, move.by)


def _declared(manifest: Manifest, name: str) -> dict[str, Any]:
    return manifest.definitions.get(name, {})


def _names(line: Line, graph: str, version: str) -> bool:
    return line.subject.get("graph") == graph and line.subject.get("version") == version


def _answered(project: Project, graph: str, version: str) -> list[Answered]:
    try:
        windows = Windows.open(project, graph)
    except NotFound:
        return []
    with windows:
        return [
            Answered(_day(day.start), day.records, day.refused)
            for day in windows.days(version=version)
        ]


def _day(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).date().isoformat()
