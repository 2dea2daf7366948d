"""Ingest: events into a graph's features, over HTTP or from a stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from sluice.access.access import HEALTH, Access
from sluice.access.open import open_access
from sluice.errors import MethodNotAllowed, NotFound, RecordError, StoreUnavailable, TooLarge
from sluice.features.ingest import Counts, Ingest, Outcome
from sluice.features.open import open_features
from sluice.features.store import OnlineStore
from sluice.project import Project
from sluice.protocol.http import Answer, Request, dumps, failed, to_response
from sluice.protocol.log import through


class Sent(NamedTuple):
    """The events of one request; `single` when it is one that is not in a list."""

    events: list[Any]
    single: bool


class IngestSurface:
    """Answers the events of the function.

    Args:
        ingest: takes what is sent.
        store: the one behind it.
        max_events: the most in one request.
        access: who may send over HTTP; without it everybody may.
    """

    def __init__(
        self, ingest: Ingest, store: OnlineStore, max_events: int, access: Access | None = None
    ) -> None:
        self._ingest, self.store, self._max_events = ingest, store, max_events
        self._access = access

    @classmethod
    def open(cls) -> IngestSurface:
        """The surface of the graph that the settings name."""
        project = Project.find()
        definitions, store = open_features(project)
        access = open_access(project, project.settings.graph)
        return cls(Ingest(definitions, store), store, project.settings.max_records, access)

    def answer(self, requests: Sequence[Any]) -> list[Answer]:
        """The answers to requests; what all of them send is taken at once."""
        read = [self._read(request) for request in requests]
        sent = [r for r in read if isinstance(r, Sent)]
        try:
            outcomes = self._ingest.outcomes([event for s in sent for event in s.events])
        except Exception as error:  # the one place where a defect becomes a 500
            return [failed(error, None) if isinstance(r, Sent) else r for r in read]
        answers, at = [], 0
        for r in read:
            if isinstance(r, Answer):
                answers.append(r)
                continue
            answers.append(_told(r, outcomes[at : at + len(r.events)]))
            at += len(r.events)
        return answers

    def _read(self, event: Any) -> Sent | Answer:
        try:
            request = Request(event)
            # Who may write to a stream is for the stream to say.
            if self._access is not None and _by_http(event):
                self._access.check(request)
            if request.method == "GET" and request.path in HEALTH:
                self.store.state(b"")  # raises when the store does not answer
                return Answer(200, b'{"ready":true}')
            if request.path != "/":
                raise NotFound(f"no {request.path}: send events to /")
            if request.method != "POST":
                raise MethodNotAllowed(request.method, request.path, ["POST"])
            return self._sent(request.json())
        except Exception as error:  # as above
            return failed(error, None)

    def _sent(self, body: Any) -> Sent:
        if not isinstance(body, list):
            return Sent([body], True)
        if len(body) > self._max_events:
            raise TooLarge(f"{len(body)} events, at most {self._max_events} in one request")
        return Sent(body, False)


def _by_http(event: Any) -> bool:
    return getattr(getattr(event, "trigger", None), "kind", "http") == "http"


def _told(sent: Sent, outcomes: list[Outcome]) -> Answer:
    if sent.single and isinstance(outcomes[0], RecordError):
        return failed(outcomes[0], None)
    counts = Counts.of(outcomes)
    return Answer(200, dumps({**counts._asdict(), "refused": [asdict(r) for r in counts.refused]}))


def init_context(context: Any) -> None:
    """Called once per worker by Nuclio, and by the local host: opens the store."""
    through(context.logger)
    surface = context.user_data.surface = IngestSurface.open()
    context.platform.set_termination_callback(surface.store.close)


def handler(context: Any, event: Any) -> Any:
    """One event, or a list of events (Nuclio's batching) with a list of replies.

    On a stream nobody reads a reply: what was refused is logged, and a store that does not answer
    is raised, so that the trigger knows.
    """
    batch = event if isinstance(event, list) else [event]
    answers = context.user_data.surface.answer(batch)
    responses = []
    for one, answer in zip(batch, answers, strict=True):
        if not _by_http(one):
            _report(context, answer)
        responses.append(to_response(context, answer))
        responses[-1].event_id = one.id
    return responses if isinstance(event, list) else responses[0]


def _report(context: Any, answer: Answer) -> None:
    text = answer.body.decode()
    if answer.status == StoreUnavailable.status:
        raise StoreUnavailable(text)
    if answer.status >= 400 or b'"refused":[]' not in answer.body:
        context.logger.error(f"events were refused: {text}")
