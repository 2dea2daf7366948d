"""What the loop remembers of a graph: the run at hand, step by step, and what it counts.

It is the document `loop` beside the graph's aliases in the model store, replaced as a whole by who
has seen the last one. A run that another one follows is kept as `loop-<number>`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Any

import msgspec

from sluice.errors import DeclarationError
from sluice.models.document import read_document, utc_text, write_document
from sluice.models.store import ModelStore

FORMAT = 1
NAME = "loop"
BY = "sluice loop"
TRAINING, CHECKING, WAITING = "training", "checking", "waiting for approval"
CANARY, PROMOTING = "canary", "promoting"
PROMOTED, DROPPED, FAILED, ROLLED_BACK = "promoted", "dropped", "failed", "rolled back"
UNDER_WAY = (TRAINING, CHECKING, WAITING, CANARY, PROMOTING)


class Cause(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a run began: `kind` is incident or calendar; `id` an incident's own."""

    kind: str
    id: str
    why: str
    evidence: Any = None


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was done; nothing takes one away. `at` is UTC, ISO 8601."""

    at: str
    action: str
    state: str
    why: str
    by: str
    evidence: Any = None


class Run(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One training, and what became of it.

    Attributes:
        number: counts a graph's runs from 1; the versions carry it in their manifests.
        began: events' time, epoch s.
        window: the arguments of the training's requests.
        since: from when on (epoch s) requests are kept to compare by.
        against: the version that each alias named when it began.
        versions: what was trained, by candidate.
        made: those that did better, by the alias that they are for.
        steps: oldest first.
    """

    format: int
    number: int
    state: str
    began: float
    causes: list[Cause]
    window: dict[str, Any]
    since: float
    against: dict[str, str]
    versions: dict[str, str]
    made: dict[str, str]
    steps: list[Step]

    @property
    def tag(self) -> str:
        """What the manifests of its versions say under `run`."""
        return f"loop {self.number}"

    def then(
        self, at: float, action: str, state: str, why: str, *, evidence: Any = None, by: str = BY
    ) -> Run:
        """After a step at a moment (epoch s)."""
        step = Step(utc_text(lambda: at), action, state, why, by, evidence)
        return msgspec.structs.replace(self, state=state, steps=[*self.steps, step])


class Memory(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that is known from step to step.

    Attributes:
        first: the first moment (epoch s) that the loop saw.
        quiet: the cool-down counts from here: a run's beginning or a rollback; None: neither was.
        started: when runs began, epoch s.
        handled: the incidents for which something better was trained.
        stopped: who stopped the loop, when and why; None: it runs.
        notes: stops and resumes.
        run: the latest one.
    """

    format: int = FORMAT
    first: float | None = None
    quiet: float | None = None
    started: list[float] = []
    handled: list[str] = []
    stopped: Step | None = None
    notes: list[Step] = []
    run: Run | None = None


class Board:
    """Where a graph's memory is: beside its aliases."""

    def __init__(self, models: ModelStore, graph: str) -> None:
        self._models, self._graph = models, graph

    def look(self) -> tuple[Memory, Hashable]:
        """What is remembered, and its token.

        Raises DeclarationError for a document that is damaged or of a newer format.
        """
        data, token = self._models.document(self._graph, NAME)
        return Memory() if data is None else self._read(data, Memory, NAME), token

    def put(self, memory: Memory, token: Hashable) -> bool:
        """Put it in place of the one with this token; False if it has another by now."""
        return self._models.replace(self._graph, NAME, token, write_document(memory))

    def keep(self, run: Run) -> None:
        """Keep a run that ended, before another one takes its place."""
        name = f"{NAME}-{run.number}"
        _, token = self._models.document(self._graph, name)
        self._models.replace(self._graph, name, token, write_document(run))

    def runs(self) -> Iterator[Run]:
        """All runs, oldest first."""
        run = self.look()[0].run
        for number in range(1, run.number if run else 1):
            name = f"{NAME}-{number}"
            data, _ = self._models.document(self._graph, name)
            if data is not None:
                yield self._read(data, Run, name)
        if run is not None:
            yield run

    def _read(self, data: bytes, kind: Any, name: str) -> Any:
        try:
            return read_document(data, kind, (FORMAT,))
        except ValueError as error:
            raise DeclarationError(f"{self._graph}/{name}.json", "", str(error)) from None
