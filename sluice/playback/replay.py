"""A replay: a recorded window played against a graph, with its state and its report in a folder."""

from __future__ import annotations

import dataclasses
import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sluice.errors import SluiceError
from sluice.features.definitions import Definitions, read_definitions
from sluice.features.materialise import materialise
from sluice.features.store import OnlineStore, layout_of, open_store
from sluice.parameters import Parameters
from sluice.playback.learning import Taught, due, taught
from sluice.playback.picture import draw
from sluice.playback.player import AT_ONCE, SAVE_EVERY, Clock, Do, Player
from sluice.playback.recording import Events, Questions, load_playback
from sluice.playback.scores import Report, report, write_outcomes
from sluice.playback.server import InProcess, OverHttp, Server
from sluice.playback.state import State
from sluice.playback.timeline import Kind, Run
from sluice.project import Project
from sluice.service import Service, read_spec

log = logging.getLogger("sluice")


@dataclass(frozen=True)
class Plan:
    """What is to be played, and how.

    Attributes:
        graph: its name.
        start, end: the first day, and the day after the last.
        out: the folder of state and report.
        url: the server that answers; None: this process.
        ingest: begin with a store of the replay's own (`out`/features), and ingest events.
        feedback: send labels to the server.
        learn: the folder in which the policy learns: its events, its feedback, its ledger; replays
            of one window after another may share it. None: it does not learn.
        speed: times real time; None: as fast as it goes.
        at_once: most records in one request.
        from_start: forget an earlier run's state.
        save_every: seconds between saves of the state.
        progress: show a bar on standard error.
    """

    graph: str
    start: str
    end: str
    out: Path
    url: str | None = None
    ingest: bool = False
    feedback: bool = False
    learn: Path | None = None
    speed: float | None = None
    at_once: int = AT_ONCE
    from_start: bool = False
    save_every: float = SAVE_EVERY
    progress: bool = True

    @property
    def state_file(self) -> Path:
        """The file of the replay's state."""
        return self.out / "state.npz"

    @property
    def store(self) -> Path:
        """The folder of the replay's own feature store."""
        return self.out / "features"


def replay(project: Project, plan: Plan, clock: Clock | None = None) -> Report:
    """Play a window, from where an earlier run of the same plan stopped; write the report.

    Raises DeclarationError for a graph without a playback, and for a policy that is to learn and
    does not; NotFound without a champion, Unavailable when the server stays away, SluiceError for
    a state of another replay.
    """
    if plan.feedback and plan.url is None:
        raise SluiceError("--feedback needs --url: it is a server that takes feedback")
    if plan.learn is not None and plan.url is not None:
        raise SluiceError("--learn is without --url: the time of a server is not the one played")
    spec = read_spec(project, plan.graph)
    parameters = Parameters.parse(spec.parameters.get("sluice"), spec.file)
    playback = load_playback(project, parameters)
    definitions = read_definitions(project.root / parameters.features, project.root)
    _begin(plan)
    questions = playback.questions(plan.start, plan.end)
    if not len(questions):
        raise SluiceError(f"{plan.graph} has no questions from {plan.start} to before {plan.end}")
    events = playback.events(plan.start, plan.end) if plan.ingest else None
    with ExitStack() as stack:
        store = None
        if plan.ingest:
            store = stack.enter_context(_own_store(project, plan, definitions))
        server = stack.enter_context(_server(project, plan, parameters, float(questions.asked[0])))
        state = _state(plan, server, len(questions))
        cast = _Cast(plan, definitions, questions, events, server, store)
        player = Player(
            cast.streams(),
            cast.deeds(),
            speed=plan.speed,
            at_once=plan.at_once,
            span=server.refresh_s if isinstance(server, Taught) else None,
            save_every=plan.save_every,
            clock=clock,
        )
        _play(plan, player, state)
    return _write(plan, questions, state)


def _begin(plan: Plan) -> None:
    plan.out.mkdir(parents=True, exist_ok=True)
    if plan.from_start:
        plan.state_file.unlink(missing_ok=True)
        shutil.rmtree(plan.store, ignore_errors=True)


def _state(plan: Plan, server: Server, n: int) -> State:
    what: dict[str, Any] = {
        "graph": plan.graph,
        "start": plan.start,
        "end": plan.end,
        "served": "in process" if plan.url is None else "over HTTP",
        "ingest": plan.ingest,
        "feedback": plan.feedback,
        "versions": server.versions(),
        "questions": n,
    }
    if isinstance(server, Taught):
        what["policy"] = server.policy
    return State.load(plan.state_file, what) if plan.state_file.exists() else State.new(what, n)


@contextmanager
def _own_store(project: Project, plan: Plan, definitions: Definitions) -> Iterator[OnlineStore]:
    """The replay's own store: tables without time are filled, all others begin empty."""
    store = open_store(plan.store, (project.name, plan.graph))
    try:
        timed = [n for n, e in definitions.entities.items() if e.timestamp is not None]
        timeless = [n for n in definitions.entities if n not in timed]
        materialise(definitions, project.root, store, entities=timeless, progress=False)
        for name in timed:
            store.publish(layout_of(definitions, name))
        yield store
    finally:
        store.close()


@contextmanager
def _server(
    project: Project, plan: Plan, parameters: Parameters, begin: float
) -> Iterator[InProcess | OverHttp]:
    """Who answers. In this process without monitoring events: nobody really asked."""
    if plan.url is None:
        settings = dataclasses.replace(project.settings, monitoring=False)
        if plan.ingest:
            settings = dataclasses.replace(settings, features=str(plan.store.resolve()))
        project = dataclasses.replace(project, settings=settings)
        if plan.learn is not None:
            with taught(project, parameters, plan.learn, begin) as learning:
                yield learning
            return
        with Service.open(project, plan.graph) as service:
            yield InProcess(service)
        return
    if plan.ingest:
        log.info("the server must read this store: SLUICE_FEATURES=%s", plan.store.resolve())
    server = OverHttp(plan.url)
    try:
        yield server
    finally:
        server.close()


@dataclass
class _Cast:
    """Who does what with the things that are played."""

    plan: Plan
    definitions: Definitions
    questions: Questions
    events: Events | None
    server: InProcess | OverHttp
    store: OnlineStore | None

    def streams(self) -> dict[Kind, Any]:
        """Labels are played where somebody is told of them; the report joins them in any case."""
        streams = {Kind.QUESTION: self.questions.asked}
        if self.events is not None:
            streams[Kind.EVENT] = self.events.known
        if isinstance(self.server, Taught):
            last = float(self.questions.asked[-1])
            streams[Kind.LABEL] = due(self.questions.known, self.server.refresh_s, last)
        elif self.plan.feedback:
            streams[Kind.LABEL] = self.questions.known
        return streams

    def deeds(self) -> dict[Kind, Do]:
        """What is done with each kind."""
        deeds: dict[Kind, Do] = {Kind.QUESTION: self.ask}
        if self.events is not None and self.store is not None:
            deeds[Kind.EVENT] = _ingesting(self.definitions, self.events, self.store)
        if isinstance(self.server, OverHttp | Taught):
            deeds[Kind.LABEL] = self.telling(self.server)
        return deeds

    def ask(self, state: State, places: Sequence[int]) -> None:
        """Ask one request."""
        there = slice(places[0], places[-1] + 1)
        records, asked = self.questions.records[there], self.questions.asked[there]
        outputs = self.server.ask(state.request_id(places[0]), records, asked)
        state.note(places, [self._probability(output) for output in outputs])

    def _probability(self, output: Mapping[str, Any]) -> float:
        if "error" in output:
            return np.nan
        if "probability" not in output:
            problem = "answers no probability: only graphs with two classes are scored"
            raise SluiceError(f"{self.plan.graph} {problem}")
        return float(output["probability"])

    def telling(self, server: OverHttp | Taught) -> Do:
        """Sends labels of questions that were answered."""
        labels = self.streams()[Kind.LABEL]

        def tell(state: State, places: Sequence[int]) -> None:
            if isinstance(server, Taught):  # what is asked again after a kill is not to know more
                state.save(self.plan.state_file)
            answered = [p for p in places if not np.isnan(state.answers[p])]
            if answered:
                entries = [self._entry(state, place) for place in answered]
                server.tell(entries, float(labels[places[0]]))

        return tell

    def _entry(self, state: State, place: int) -> dict[str, Any]:
        id, record = state.request_of(place)
        label = self.questions.classes[int(self.questions.labels[place])]
        when = datetime.fromtimestamp(float(self.questions.known[place]), UTC)
        return {"id": id, "record": record, "label": label, "when": when.isoformat()}


def _ingesting(definitions: Definitions, events: Events, store: OnlineStore) -> Do:
    from sluice.features.ingest import Ingest

    ingest = Ingest(definitions, store)

    def take(_: State, places: Sequence[int]) -> None:
        counts = ingest.take(events.events[places[0] : places[-1] + 1])
        if counts.refused:
            raise SluiceError(f"ingest refused an event: {counts.refused[0].error}")

    return take


def _play(plan: Plan, player: Player, state: State) -> None:
    from tqdm import tqdm

    with tqdm(total=len(player), initial=state.position, disable=not plan.progress) as bar:

        def show(run: Run) -> None:
            bar.set_description(f"{datetime.fromtimestamp(run.time, UTC):%d %b %H:%M}", False)
            bar.update(run.end - run.begin)

        player.play(state, partial(state.save, plan.state_file), show)


def _write(plan: Plan, questions: Questions, state: State) -> Report:
    found = report(state.what, questions, state.answers)
    (plan.out / "scores.json").write_bytes(found.dump())
    write_outcomes(plan.out / "outcomes.csv", questions, state.answers)
    draw(found, plan.out / "replay.png")
    return found
