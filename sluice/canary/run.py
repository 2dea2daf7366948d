"""A canary as all processes see it: who against whom, at which share, and what was decided.

It is the document `canary` beside the graph's aliases in the model store, replaced as a whole by
who has seen the last one. A run that another one follows is kept as `canary-<number>`.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import msgspec

from sluice.canary.plan import Plan
from sluice.errors import DeclarationError
from sluice.models.document import read_document, write_document
from sluice.models.store import ModelStore

FORMAT = 1
NAME = "canary"
ROUTER, GATEWAY = "router", "gateway"
STARTING, RUNNING, PROMOTING, ROLLING_BACK = "starting", "running", "promoting", "rolling back"
PROMOTED, ROLLED_BACK, STOPPED = "promoted", "rolled back", "stopped"
UNDER_WAY = (STARTING, RUNNING, PROMOTING, ROLLING_BACK)


class Decided(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A decision; nothing takes one away. `at` is UTC, ISO 8601."""

    at: str
    action: str
    state: str
    stage: int
    share: float
    why: str
    by: str
    evidence: Any = None


class Run(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One canary.

    Attributes:
        number: counts a graph's canaries from 1.
        champion, challenger: versions.
        through: what splits the traffic: `router` or `gateway`.
        stage: which of the plan's stages it is at, from 0.
        offsets: where in the topics it began: [topic, partition, offset].
        decisions: oldest first.
    """

    format: int
    number: int
    champion: str
    challenger: str
    through: str
    plan: Plan
    state: str
    stage: int
    offsets: list[tuple[str, int, int]]
    decisions: list[Decided]

    @property
    def share(self) -> float:
        """The challenger's share of the traffic now."""
        return self.plan.stages[self.stage].share if self.state in (RUNNING, PROMOTING) else 0.0

    @property
    def margins(self) -> dict[str, float]:
        """What is compared, and how much worse it may be."""
        return self.plan.margins(self.through == ROUTER)

    def decide(self, decided: Decided) -> Run:
        """After a decision."""
        decisions = [*self.decisions, decided]
        return msgspec.structs.replace(
            self, state=decided.state, stage=decided.stage, decisions=decisions
        )


class Board:
    """Where a graph's run is: beside its aliases."""

    def __init__(self, models: ModelStore, graph: str) -> None:
        self._models, self._graph = models, graph

    def token(self) -> Hashable:
        """It changes when the run does."""
        return self._models.document_tag(self._graph, NAME)

    def look(self) -> tuple[Run | None, Hashable]:
        """The run, if there was ever one, and its token.

        Raises DeclarationError for one that is damaged or of a newer format.
        """
        data, token = self._models.document(self._graph, NAME)
        return None if data is None else self._read(data, NAME), token

    def past(self, number: int) -> Run | None:
        """A run that another one followed."""
        data, _ = self._models.document(self._graph, f"{NAME}-{number}")
        return None if data is None else self._read(data, f"{NAME}-{number}")

    def put(self, run: Run, token: Hashable) -> bool:
        """Put a run in place of the one with this token; False if it has another by now."""
        return self._models.replace(self._graph, NAME, token, write_document(run))

    def keep(self, run: Run) -> None:
        """Keep a run that ended, once."""
        name = f"{NAME}-{run.number}"
        data, token = self._models.document(self._graph, name)
        if data is None:
            self._models.replace(self._graph, name, token, write_document(run))

    def _read(self, data: bytes, name: str) -> Run:
        try:
            return read_document(data, Run, (FORMAT,))
        except ValueError as error:
            raise DeclarationError(f"{self._graph}/{name}.json", "", str(error)) from None
