"""A run's next step: train and compare, gate, canary, promote."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import msgspec

from sluice.canary.run import PROMOTED as CANARY_PROMOTED
from sluice.canary.run import UNDER_WAY as CANARY_UNDER_WAY
from sluice.canary.verdict import Status, Verdict
from sluice.errors import GateFailed, NotFound, SluiceError, StoreUnavailable
from sluice.live import CHAMPION
from sluice.loop.causes import Watch
from sluice.loop.compare import compare
from sluice.loop.declared import Retrain
from sluice.loop.run import (
    BY,
    CANARY,
    CHECKING,
    DROPPED,
    FAILED,
    PROMOTED,
    PROMOTING,
    TRAINING,
    WAITING,
    Run,
)
from sluice.loop.trainer import Order, Trainer
from sluice.models.store import ModelStore


class Stages(Protocol):
    """What brings a version in by stages: sluice.canary.canary.Canary."""

    def start(self, version: str, evidence: Any = None, by: str = "") -> Any: ...

    def look(self) -> Verdict: ...

    def status(self) -> Status: ...

    def stop(self, by: str, why: str = "stopped") -> Verdict: ...


class Hands(NamedTuple):
    """What the loop works with; `canary` is None where none is declared."""

    watch: Watch
    trainer: Trainer
    canary: Stages | None = None


class Advance:
    """Takes one step of a run. A step that was taken and not kept may be taken again.

    Args: as the loop's.
    """

    def __init__(self, graph: str, retrain: Retrain, models: ModelStore, hands: Hands) -> None:
        self._graph, self._retrain, self._models = graph, retrain, models
        self._trainer, self._canary = hands.trainer, hands.canary
        self._steps = {
            TRAINING: self._train,
            CHECKING: self._check,
            WAITING: lambda _run, _now: None,
            CANARY: self._stages,
            PROMOTING: self._promote,
        }

    def __call__(self, run: Run, now: float) -> Run | None:
        """The run afterwards; None where it has to wait. Raises StoreUnavailable."""
        return self._steps[run.state](run, now)

    def _train(self, run: Run, now: float) -> Run:
        order = Order(
            window=run.window,
            since=run.since,
            rows=self._retrain.compare.rows,
            against=sorted(set(run.against.values())),
            candidates=self._candidates(),
            tag=run.tag,
        )
        try:
            trained = self._trainer.train(order)
            compared = compare(self._retrain, trained, run.against)
        except StoreUnavailable:
            raise
        except SluiceError as error:
            return run.then(now, "train", FAILED, str(error))
        state = CHECKING if compared.made else DROPPED
        evidence = {**msgspec.to_builtins(trained), "compared": compared.told}
        return msgspec.structs.replace(
            run.then(now, "compare", state, compared.why, evidence=evidence),
            versions=trained.versions,
            made=compared.made,
            since=trained.since,
        )

    def _candidates(self) -> list[str]:
        """Those that are asked for by name; none where the best of all is."""
        named = set(self._retrain.aliases.values())
        return sorted(named) if all(named) else []

    def _check(self, run: Run, now: float) -> Run:
        """Parity and golden requests of each version."""
        evidence = {}
        try:
            for version in sorted(set(run.made.values())):
                evidence[version] = self._trainer.check(version)
        except StoreUnavailable:
            raise
        except SluiceError as error:
            return run.then(now, "gate", DROPPED, str(error))
        state = WAITING if self._retrain.approval else onward(self._retrain)
        why = f"what it was trained on is what is served: version {', '.join(evidence)}"
        return run.then(now, "gate", state, why, evidence=evidence)

    def _stages(self, run: Run, now: float) -> Run | None:
        """By the canary, which promotes it or rolls it back by itself."""
        version, canary = run.made[CHAMPION], self._canary
        if canary is None:
            hint = "declare it again, or end the run: sluice loop reject"
            raise GateFailed("canary", f"{self._graph} version {version} waits for one; {hint}")
        status = latest(canary)
        if status is None or not is_of(status, run):
            if status is not None and status.run.state in CANARY_UNDER_WAY:
                return None  # somebody's own
            if moved := self._moved(run, CHAMPION):
                return run.then(now, "canary", DROPPED, moved)
            canary.start(version, {"loop": _reason(run)}, BY)
        verdict = canary.look()
        if verdict.state in CANARY_UNDER_WAY:
            return None
        state = PROMOTED if verdict.state == CANARY_PROMOTED else DROPPED
        why = f"{verdict.state}: {verdict.why}"
        return run.then(now, "canary", state, why, evidence=verdict.evidence)

    def _promote(self, run: Run, now: float) -> Run:
        """Point the aliases at the new versions: each once, whoever moves it back meanwhile."""
        moves = self._models.history(self._graph)
        before = {(m.alias, m.version) for m in moves if m.action == "promote"}
        promoted, why = False, []
        for alias, version in run.made.items():
            moved = "" if (alias, version) in before else self._moved(run, alias)
            if (alias, version) not in before and not moved:
                evidence = {"loop": _reason(run)}
                self._models.promote(self._graph, version, alias, evidence, BY)
            promoted = promoted or not moved
            why.append(moved or f"{alias} is version {version}")
        return run.then(now, "promote", PROMOTED if promoted else DROPPED, "; ".join(why))

    def _moved(self, run: Run, alias: str) -> str:
        """What happened to an alias since the run began; empty if nothing did."""
        found = self._models.aliases(self._graph).get(alias)
        now = found.version if found else None
        return "" if now == run.against.get(alias) else f"{alias} was moved to version {now}"


def onward(retrain: Retrain) -> str:
    """The state after all checks."""
    return CANARY if retrain.canary else PROMOTING


def latest(canary: Stages) -> Status | None:
    """The latest canary, if there was ever one."""
    try:
        return canary.status()
    except NotFound:
        return None


def is_of(status: Status, run: Run) -> bool:
    """Whether a canary is that of a run of the loop."""
    evidence = status.run.decisions[0].evidence
    told = evidence.get("loop") if isinstance(evidence, Mapping) else None
    return isinstance(told, Mapping) and told.get("run") == run.number


def _reason(run: Run) -> dict[str, Any]:
    """For other histories: which run, and why."""
    return {"run": run.number, "why": [cause.why for cause in run.causes]}
