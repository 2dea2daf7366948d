"""The story of each version: why it was trained and on what, how it did, and what became of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sluice.canary.run import Board as CanaryBoard
from sluice.canary.run import Run as CanaryRun
from sluice.errors import VersionRefused
from sluice.loop.run import DROPPED, UNDER_WAY, Board, Run
from sluice.models.aliases import Alias, Move
from sluice.models.store import ModelStore


class Line(NamedTuple):
    """What happened to a version. `at` is UTC, ISO 8601; the loop's and a canary's steps have the
    time of the events that they went by."""

    at: str
    what: str
    why: str
    by: str
    evidence: Any = None


class Story(NamedTuple):
    """One version.

    Attributes:
        now: what it is: its aliases, or where its run has come to.
        causes: why it was trained; empty for one that was trained by hand.
        trained: its manifest's account: estimator, window, rows; `refused` of a damaged one.
        lines: oldest first of each kind: training, canary, aliases.
    """

    version: str
    now: str
    causes: list[str]
    trained: dict[str, Any]
    metrics: dict[str, Any]
    lines: list[Line]


def stories(models: ModelStore, graph: str, latest: int = 0) -> list[Story]:
    """Those of all versions of a graph, or of so many that were made last; oldest first."""
    runs = {v: run for run in Board(models, graph).runs() for v in run.versions.values()}
    canaries = list(_canaries(models, graph))
    moves, aliases = models.history(graph), models.aliases(graph)
    found = []
    for version in models.versions(graph)[-latest:]:
        run = runs.get(version)
        told = [r for r in canaries if r.challenger == version]
        lines = [*_run(run, version), *_staged(told), *_moves(moves, version)]
        trained, metrics, first = _trained(models, graph, version)
        causes = [cause.why for cause in run.causes] if run else []
        now = _now(version, aliases, run, moves)
        found.append(Story(version, now, causes, trained, metrics, [*first, *lines]))
    return found


def _trained(
    models: ModelStore, graph: str, version: str
) -> tuple[dict[str, Any], dict[str, Any], list[Line]]:
    try:
        manifest = models.manifest(graph, version)
    except VersionRefused as error:
        return {"refused": f"{error.file}: {error.why}"}, {}, []
    told = manifest.training
    keep = ("estimator", "rows", "window", "run", "seed")
    trained = {name: told[name] for name in keep if name in told}
    window = ", ".join(f"{name} {value}" for name, value in told.get("window", {}).items())
    why = f"{told.get('estimator', '')} on {told.get('rows', '?')} rows" + (
        window and f": {window}"
    )
    by = told.get("run", "")
    return trained, dict(manifest.metrics), [Line(manifest.created, "trained", why, by, None)]


def _run(run: Run | None, version: str) -> Iterator[Line]:
    """The steps of its run; of a version that was not chosen, those until then."""
    chosen = run is not None and version in run.made.values()
    for step in run.steps if run else ():
        yield Line(step.at, step.action, step.why, step.by, step.evidence)
        if step.action == "compare" and not chosen:
            return


def _staged(runs: Sequence[CanaryRun]) -> Iterator[Line]:
    for run in runs:
        for decided in run.decisions:
            what = f"canary {run.number}: {decided.action}"
            yield Line(decided.at, what, decided.why, decided.by, decided.evidence)


def _moves(moves: Sequence[Move], version: str) -> Iterator[Line]:
    for move in moves:
        before = f"version {move.previous} before" if move.previous else "the first one"
        if move.version == version:
            back = "again " if move.action == "rollback" else ""
            yield Line(move.at, f"{back}{move.alias}", before, move.by, move.evidence)
        elif move.previous == version:
            gone = "rolled back" if move.action == "rollback" else "replaced"
            why = f"{move.alias} is version {move.version}"
            yield Line(move.at, gone, why, move.by, move.evidence)


def _canaries(models: ModelStore, graph: str) -> Iterator[CanaryRun]:
    board = CanaryBoard(models, graph)
    run, _ = board.look()
    for number in range(1, run.number if run else 1):
        if (past := board.past(number)) is not None:
            yield past
    if run is not None:
        yield run


def _now(
    version: str, aliases: dict[str, Alias], run: Run | None, moves: Sequence[Move]
) -> str:  # fmt: skip
    names = [name for name, alias in aliases.items() if alias.version == version]
    if names:
        return ", ".join(names)
    left = [move for move in moves if move.previous == version]
    if left:
        return "rolled back" if left[-1].action == "rollback" else "replaced"
    if run is None:
        return "logged"
    if version in run.made.values():
        return run.state
    return DROPPED if run.state not in UNDER_WAY or run.made else run.state
