"""What the loop did, what each version's story is, and what the correction knows."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from contextlib import closing
from dataclasses import asdict
from typing import Any

import msgspec

from sluice.dashboard.around import Elsewhere, Place, models_of
from sluice.loop.declared import Retrain
from sluice.loop.history import stories
from sluice.loop.run import WAITING, Board, Memory, Run

_RUNS = 12
_STORIES = 20
_LINE = ("at", "what", "why", "by")
_STEP = ("at", "action", "state", "why", "by")
Plain = dict[str, Any]


def of_loop(place: Place, hidden: Collection[str]) -> Plain | None:
    """Who stopped it, what waits for approval, its budget, and its latest runs, newest first.

    None where models are never trained again, and never were. Of fields in `hidden` it is told that
    they have changed, and not what their values are; so it is in the stories.
    """
    declared = place.parameters.retrain
    board = Board(models_of(place), place.graph)
    memory, _ = board.look()
    if declared is None and memory == Memory():
        return None
    every = list(board.runs())
    latest = memory.run
    waiting = latest is not None and latest.state == WAITING
    told: Plain = {
        "declared": None
        if declared is None
        else _declared(Retrain.parse(declared, place.spec.file)),
        "begun": len(memory.started),
        "stopped": _fields(memory.stopped) if memory.stopped else None,
        "waiting": sorted(set(latest.made.values())) if latest and waiting else [],
        "runs": [_run(run) for run in every[-_RUNS:][::-1]],
    }
    return dict(_veiled(told, _secrets(every, hidden)))


def _secrets(runs: Iterable[Run], hidden: Collection[str]) -> list[str]:
    """The reasons that speak of values of hidden fields."""
    causes = [(cause, cause.evidence or {}) for run in runs for cause in run.causes]
    return [
        cause.why
        for cause, incident in causes
        if incident.get("subject", "") in hidden
        or incident.get("segment", "").partition("=")[0] in hidden
    ]


def _veiled(told: Any, secrets: Collection[str]) -> Any:
    """The same without the reasons that are not told."""
    if isinstance(told, str):
        for secret in secrets:
            told = told.replace(secret, f"{secret.partition(':')[0]}: its values are redacted")
    elif isinstance(told, list):
        return [_veiled(part, secrets) for part in told]
    elif isinstance(told, dict):
        return {name: _veiled(part, secrets) for name, part in told.items()}
    return told


def _declared(retrain: Retrain) -> Plain:
    return {
        "incidents": list(retrain.incidents),
        "every_s": retrain.every_s,
        "cool_down_s": retrain.cool_down_s,
        "runs": retrain.runs,
        "per_s": retrain.per_s,
    }


def _run(run: Run) -> Plain:
    evidence = next((s.evidence for s in run.steps[::-1] if s.action == "compare"), None) or {}
    compared = evidence.get("compared", {})
    return {
        "number": run.number,
        "state": run.state,
        "began": run.began,
        "causes": [cause.why for cause in run.causes],
        "versions": run.versions,
        "made": run.made,
        "compared": [{"alias": alias, **figures} for alias, figures in compared.items()],
        "steps": [_fields(step) for step in run.steps],
    }


def _fields(step: Any) -> Plain:
    """A step without its evidence, which `sluice history --json` has."""
    return {name: getattr(step, name) for name in _STEP}


def of_stories(place: Place, hidden: Collection[str]) -> list[Plain]:
    """The latest versions, newest first: what each is, why it was made, and what became of it."""
    models = models_of(place)
    found = stories(models, place.graph, latest=_STORIES)
    told = [
        {
            **{name: getattr(story, name) for name in ("version", "now", "causes", "metrics")},
            "lines": [dict(zip(_LINE, line, strict=False)) for line in story.lines],
        }
        for story in found[::-1]
    ]
    return list(_veiled(told, _secrets(Board(models, place.graph).runs(), hidden)))


def of_correction(place: Place) -> Plain | None:
    """What the correction knows, and its loss with and without; None where there is none."""
    # Here, for graphs without a correction load none of it.
    from sluice.correction.plan import found_in

    if all(found_in(step.class_args) is None for step in place.spec.steps):
        return None
    if not place.reaches(place.project.path(place.project.settings.rewards, "rewards")):
        raise Elsewhere
    from sluice.correction.open import correction_ledger, correction_of
    from sluice.correction.status import status

    plan = correction_of(place.project, place.graph)
    with closing(correction_ledger(place.project, place.graph, plan)) as ledger:
        plain: Plain = msgspec.to_builtins(asdict(status(plan, ledger, time.time())))
    return plain
