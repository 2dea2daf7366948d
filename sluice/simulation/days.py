"""The days of a simulation: each hour labels come and questions are answered; at midnight what was
monitored is looked at, and the loop takes its step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np

from sluice.alerts.watch import Watch
from sluice.batch.scoring import score
from sluice.correction.learner import CorrectionLearner
from sluice.correction.open import correction_of, open_correction_learner
from sluice.live import CHAMPION
from sluice.loop.advance import Hands
from sluice.loop.loop import Loop
from sluice.loop.open import retrain_of
from sluice.monitoring.event import EventBuilder, Source
from sluice.parameters import Parameters
from sluice.playback.learning import PlayedClock, PromptEmitter
from sluice.playback.recording import Questions
from sluice.project import Project
from sluice.protocol.feedback import Feedback
from sluice.service import Service
from sluice.simulation.models import first_alone, trainer_of
from sluice.simulation.pipe import Pipe
from sluice.simulation.plan import Plan
from sluice.simulation.state import State
from sluice.windows.monitor import Monitor, Topics
from sluice.windows.open import opened

HOUR, DAY = 3600.0, 86_400.0
_MOST = 10_000


class Parts(NamedTuple):
    """What takes part: who answers, the first version alone, and who reads; None: not there."""

    service: Service
    static: Service
    monitor: Monitor
    watch: Watch
    feedback: Feedback
    learner: CorrectionLearner | None
    loop: Loop | None


class Days:
    """Plays days.

    Args:
        questions, state: of the simulation.
        parts: who takes part.
        pipe: where events and labels go.
        clock: of all of them.
    """

    def __init__(
        self, questions: Questions, state: State, parts: Parts, pipe: Pipe, clock: PlayedClock
    ) -> None:
        self._questions, self._state, self._parts = questions, state, parts
        self._pipe, self._clock = pipe, clock
        known = np.where(np.isnan(questions.known), np.inf, questions.known)
        self._order = np.argsort(known, kind="stable")
        self._known = known[self._order]

    def play(self, start: float) -> None:
        """One day (epoch s). Its state is that of after it; it may be played again."""
        parts, state = self._parts, self._state
        self._tell(start)
        parts.monitor.take(self._sent())
        self._look(start)
        state.versions[str(start)] = "+".join(
            version for _, version in sorted(parts.service.application.live().aliases.items())
        )
        self._ask_first(slice(*self._places(start, start + DAY)))
        seen = []
        for hour in np.arange(start, start + DAY, HOUR).tolist():
            self._tell(hour)
            seen += self._sent()
            if parts.service.application.correction is not None:
                parts.service.application.correction.refresh()
            self._ask(slice(*self._places(hour, hour + HOUR)), hour + HOUR)
            seen += self._sent()
        parts.monitor.take(seen)
        state.day, state.offsets = start + DAY, dict(self._pipe.offsets)

    def finish(self) -> None:
        """Look at what the last day came to, with all labels that were known by its end."""
        self._tell(self._state.day)
        self._parts.monitor.take(self._sent())
        self._parts.watch.look(self._state.day)

    def _look(self, now: float) -> None:
        """What the watch sees, and the loop's step; what has been promoted answers from now on."""
        parts = self._parts
        parts.watch.look(now)
        if parts.loop is None:
            return
        before = parts.loop.board.look()[0].run
        after = parts.loop.step(now).run
        if after is not None and after != before:
            parts.service.application.load()

    def _places(self, start: float, end: float) -> list[int]:
        places: list[int] = np.searchsorted(self._questions.asked, [start, end]).tolist()
        return places

    def _tell(self, until: float) -> None:
        """Labels that are known before a moment."""
        state, questions, parts = self._state, self._questions, self._parts
        last = int(np.searchsorted(self._known, until))
        entries = [
            {
                "id": f"q{place}",
                "label": questions.classes[int(questions.labels[place])],
                "when": datetime.fromtimestamp(questions.known[place], UTC).isoformat(),
            }
            for place in self._order[state.told : last].tolist()
        ]
        self._clock.now, state.told = until, last
        if entries:
            parts.feedback.take(entries, parts.service.application.live(), len(entries))

    def _ask(self, rows: slice, now: float) -> None:
        if rows.start == rows.stop:
            return
        self._clock.now = now
        outputs = self._answers(self._parts.service, rows)
        self._state.served[rows] = [o.get("probability", np.nan) for o in outputs]
        self._state.plain[rows] = [_plain(o) for o in outputs]

    def _ask_first(self, rows: slice) -> None:
        if rows.start < rows.stop:
            outputs = self._answers(self._parts.static, rows)
            self._state.static[rows] = [_plain(o) for o in outputs]

    def _answers(self, service: Service, rows: slice) -> list[dict[str, Any]]:
        ids = [f"q{place}" for place in range(rows.start, rows.stop)]
        when = self._questions.asked[rows].tolist()
        records = list(self._questions.records[rows])
        outputs: list[dict[str, Any]] = score(service, records, ids=ids, when=when).outputs()
        return outputs

    def _sent(self) -> list[Any]:
        """What was written since the last time, which the correction has then learnt from."""
        records = self._pipe.take()
        if self._parts.learner is not None:
            self._parts.learner.take(records)
        return records


def _plain(output: dict[str, Any]) -> float:
    """What was answered before the correction."""
    moved = output.get("correction")
    return float(moved["from"] if moved else output.get("probability", np.nan))


@contextmanager
def days(
    projects: tuple[Project, Project], parameters: Parameters, plan: Plan,
    questions: Questions, state: State,
) -> Iterator[tuple[Days, Parts]]:  # fmt: skip
    """The days of a plan, all parts open.

    Args:
        projects: as it is simulated, and as it is declared with the simulation's stores.
    """
    project, graph = projects[0], parameters.graph
    clock = PlayedClock(state.day)
    pipe = Pipe(clock, state.offsets)
    topics = Topics.of(project.name, graph)
    with ExitStack() as stack:
        service = stack.enter_context(Service.open(project, graph))
        names = service.application.definitions.record.names
        source = Source(project.name, inputs=names)
        service.application.emitter = PromptEmitter(
            lambda: pipe, topics.events, EventBuilder(source)
        )
        moves = service.application.models.history(graph)
        first = next(move.version for move in moves if move.alias == CHAMPION)
        static = stack.enter_context(first_alone(projects[1], parameters, first))
        monitor = stack.enter_context(opened(project, graph, clock=clock, batch=_MOST)).monitor
        watch = stack.enter_context(closing(Watch.open(project, graph)))
        learner = _learner(project, plan, clock, stack)
        loop = _loop(project, parameters, plan, (service, watch))
        feedback = Feedback(lambda: pipe, topics.feedback, f"/{project.name}/{graph}", clock.time)
        parts = Parts(service, static, monitor, watch, feedback, learner, loop)
        yield Days(questions, state, parts, pipe, clock), parts


def _learner(
    project: Project, plan: Plan, clock: PlayedClock, stack: ExitStack
) -> CorrectionLearner | None:
    if plan.correction is None:
        return None
    declared = correction_of(project, plan.graph)
    learner, ledger = open_correction_learner(project, plan.graph, declared, clock)
    stack.callback(ledger.close)
    return learner


def _loop(
    project: Project, parameters: Parameters, plan: Plan, parts: tuple[Service, Watch]
) -> Loop | None:
    if not plan.retrain:
        return None
    application, watch = parts[0].application, parts[1]
    trainer = trainer_of(project, parameters, plan, application)
    retrain = retrain_of(project, plan.graph)
    return Loop(plan.graph, retrain, application.models, Hands(watch, trainer))
