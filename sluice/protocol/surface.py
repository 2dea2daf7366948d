"""The HTTP surface of a graph: methods and paths to the protocols, errors to their status."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from sluice.access.access import Access
from sluice.access.open import open_access
from sluice.dashboard import paths as dashboard
from sluice.errors import (
    MethodNotAllowed,
    NotFound,
    RequestError,
    SluiceError,
    TooLarge,
)
from sluice.live import Live
from sluice.message import Message
from sluice.metrics import Registry, shared_folder
from sluice.observe import observe_failure
from sluice.project import Project
from sluice.protocol import mlrun_v2, open_inference, openapi
from sluice.protocol.about import About
from sluice.protocol.callers import Callers
from sluice.protocol.feedback import Feedback
from sluice.protocol.http import Answer, Later, Request, dumps, failed, to_response, to_responses
from sluice.protocol.meter import Meter
from sluice.protocol.ranked import Ranked
from sluice.protocol.tensors import Tail
from sluice.service import Service

Wrap = Callable[[dict[str, Any]], Answer]
Unwrap = Callable[[Request, str | None], tuple[Message, Wrap]]
_SHARED = 16  # a request of more records has a message of its own: the others need not wait for it


class Prediction(NamedTuple):
    """A path that answers with predictions: how its body is read, and the version it names."""

    unwrap: Unwrap
    version: str | None = None


class Asked(NamedTuple):
    """A request for predictions: what goes through the graph, how its reply is told, and whether
    it can share a message with others."""

    message: Message
    wrap: Wrap
    request: Request
    shares: bool


Methods = Mapping[str, Callable[[Request], Answer] | Prediction]


class Surface:
    """Answers the events of one graph; docs/http.md says what each path takes and gives.

    POST /                                             a record, a list of records, or MLRun v2
    POST /v2/models/{name}[/versions/{v}]/infer        Open Inference Protocol or MLRun v2
    POST /feedback                                     what became of predictions
    GET  /openapi.json, /metrics
    GET  /dashboard, /dashboard/data.json
    GET  /v2, /v2/health/live, /v2/health/ready
    GET  /v2/models/{name}[/versions/{v}][/ready]

    Args:
        service: the graph.
        max_records: the most records in one request.
        feedback: takes feedback in; without one there is no such path.
        meter: counts; without one there is no /metrics.
        access: who may ask; without it everybody may.
    """

    def __init__(
        self,
        service: Service,
        max_records: int = 10_000,
        feedback: Feedback | None = None,
        meter: Meter | None = None,
        access: Access | None = None,
    ) -> None:
        self.service, self.max_records = service, max_records
        self._feedback, self._meter, self._access = feedback, meter, access
        self._application = service.application
        telemetry = service.application.telemetry
        self._tracer = telemetry.tracer if telemetry is not None else None
        definitions = service.application.definitions
        self._schema, self._ranked = definitions.record, Ranked.of(service.steps, definitions)
        self._callers = Callers.of(service.graph)
        about = self._about = About(self._application, self._ranked, self._describe)
        self._paths: dict[str, Methods] = {
            "/": {"POST": Prediction(self._plain)},
            "/openapi.json": {"GET": about.openapi},
            "/v2": {"GET": about.server},
            "/v2/health/live": {"GET": lambda _: Answer(200, b'{"live":true}')},
            "/v2/health/ready": {"GET": about.ready},
        }
        if feedback is not None:
            self._paths["/feedback"] = {"POST": partial(self._take, feedback)}
        if meter is not None:
            self._paths["/metrics"] = {"GET": lambda _: meter.page()}

    @classmethod
    def open(cls, nuclio: Any = None) -> Surface:
        """The surface of the graph that the settings name, with its versions loaded."""
        project = Project.find()
        return cls.over(project, Service.open(project, nuclio=nuclio), nuclio)

    @classmethod
    def over(cls, project: Project, service: Service, nuclio: Any = None) -> Surface:
        """The surface of a service, as the project's settings want it."""
        feedback = Feedback.open(project, service.name)
        host = getattr(nuclio, "host", None)
        meter = Meter(Registry(shared_folder()), service.application, host)
        access = open_access(project, service.name)
        surface = cls(service, project.settings.max_records, feedback, meter, access)
        surface._paths |= dashboard.paths(project, service.name)
        if service.application.telemetry is not None:
            service.application.telemetry.push(meter.folder, meter.gauges)
        return surface

    def handle(self, context: Any, event: Any) -> Any:
        """Answer one event, or a list of events (a host's batching) with a list."""
        if isinstance(event, list):
            return to_responses(context, self.answers(event), event)
        return to_response(context, self.answer(event))

    def answer(self, event: Any) -> Answer:
        """The answer to one event, before the host's own shape. Never raises."""
        asked = self._asked(event)
        [answer] = self._counted([asked if isinstance(asked, Answer) else self._predict(asked)])
        return answer

    def answers(self, events: Sequence[Any]) -> list[Answer]:
        """The answer to each of some events; their predictions go through the graph together."""
        answers: list[Asked | Answer] = [self._asked(event) for event in events]
        sharing = [a for a in answers if type(a) is Asked and a.shares]
        if len(sharing) > 1 and self.service.graph.many:
            shared = iter(self._together(sharing))
            answers = [next(shared) if type(a) is Asked and a.shares else a for a in answers]
        return self._counted([a if isinstance(a, Answer) else self._predict(a) for a in answers])

    def _counted(self, answers: list[Answer]) -> list[Answer]:
        if self._meter is not None:
            self._meter.requests([answer.status for answer in answers if answer.later is None])
        return [a if a.later is None else self._counted_later(a, a.later) for a in answers]

    def _counted_later(self, answer: Answer, later: Later) -> Answer:
        """An answer that is counted when its status is known."""
        return answer._replace(later=later._replace(seen=lambda made: self._counted([made])[0]))

    def _asked(self, event: Any) -> Asked | Answer:
        """What is asked for, or the answer where it is known without the graph."""
        try:
            request = Request(event)
            if self._access is not None:
                self._access.check(request)
            methods = self._paths.get(request.path) or self._model(request.path)
            call = methods.get(request.method)
            if call is None:
                raise MethodNotAllowed(request.method, request.path, methods)
            return self._read(request, call) if isinstance(call, Prediction) else call(request)
        except Exception as error:  # with those below, where a defect becomes a 500
            return failed(error, None)

    def _model(self, path: str) -> Methods:
        """What can be asked of a path under /v2/models. Raises NotFound."""
        graph, version, operation = self._callers.meant(*_model_path(path))
        if graph != self.service.name:
            raise NotFound(f"no model {graph!r}: this is {self.service.name}")
        if operation in ("infer", "predict"):
            return {"POST": Prediction(partial(self._tensors, version=version), version)}
        call = self._about.model_ready if operation == "ready" else self._about.metadata
        return {"GET": partial(call, version)}

    def _read(self, request: Request, prediction: Prediction) -> Asked | Answer:
        id: str | None = None
        message: Message | None = None
        try:
            id = request.id() if request.tells else None
            if prediction.version is not None:
                self._application.live().version(prediction.version)
            message, wrap = prediction.unwrap(request, id)
            if request.tells:
                message.when = request.when() or message.when
                message.headers = request.trace()
            message.pin = prediction.version or message.pin
            if (policy := self._application.policy) is not None and policy.headers:
                message.headers = {**message.headers, **_those(request, policy.headers)}
            n = len(message.records)
            if n > self.max_records:
                raise TooLarge(f"{n} records in one request: at most {self.max_records} are taken")
            return Asked(message, wrap, request, message.pin is None and 0 < n <= _SHARED)
        except Exception as error:
            return self._failed(error, request, message, id)

    def _predict(self, asked: Asked) -> Answer:
        try:
            reply = self.service.run(asked.message)
        except Exception as error:
            return self._failed(error, asked.request, asked.message)
        if self._meter is not None:
            self._meter.predicted([(asked.message, reply)])
        return self._told(asked, reply)

    def _together(self, asked: Sequence[Asked]) -> list[Answer]:
        """The answers to requests that share a message."""
        try:
            replies = self.service.run_many([a.message for a in asked])
        except Exception:  # each by itself: then it shows whose fault it is
            return [self._predict(a) for a in asked]
        pairs = list(zip(asked, replies, strict=True))
        if self._meter is not None:
            answered = [(a.message, r) for a, r in pairs if not isinstance(r, SluiceError)]
            self._meter.predicted(answered)
        return [self._told(a, r) for a, r in pairs]

    def _told(self, asked: Asked, reply: dict[str, Any] | SluiceError) -> Answer:
        """The answer to a request that was answered or refused, and has its event."""
        try:
            answer = (
                failed(reply, asked.message.id)
                if isinstance(reply, SluiceError)
                else asked.wrap(reply)
            )
        except Exception as error:
            answer = failed(error, asked.message.id)
        if self._tracer is not None:
            self._tracer.served(asked.request, asked.message, reply, answer.status)
        return answer

    def _failed(
        self, error: Exception, request: Request, message: Message | None, id: str | None = None
    ) -> Answer:
        answer = failed(error, message.id if message else id)
        observe_failure(self._application, message, error, answer.status)
        if self._tracer is not None:
            self._tracer.served(request, message, None, answer.status)
        return answer

    def _plain(self, request: Request, id: str | None) -> tuple[Message, Wrap]:
        """A record or a list of records; or MLRun v2, known by its list of inputs."""
        body = request.json()
        if isinstance(body, dict) and isinstance(body.get("inputs"), list):
            return self._mlrun(body, id)
        return Message.of(body, id), _plainly

    def _mlrun(self, body: Any, id: str | None) -> tuple[Message, Wrap]:
        message = mlrun_v2.unwrap(body, self._schema, id)
        message.pin = self._callers.pin(body)
        return message, lambda reply: Answer(200, dumps(self._callers.wrap(reply, message.pin)))

    def _tensors(
        self, request: Request, id: str | None, version: str | None
    ) -> tuple[Message, Wrap]:
        """The Open Inference Protocol, known by its inputs; else MLRun v2."""
        body, tail = open_inference.split(request)
        if not open_inference.is_request(body):
            if tail is not None:
                raise RequestError("inputs: expected tensors, each with name, shape and datatype")
            return self._mlrun(body, id)
        live = self._application.live()
        versions = [live.version(version)] if version else live.versions.values()
        wanted = open_inference.Wanted(body, versions, self._ranked)
        message = open_inference.unwrap(body, self._schema, tail or Tail(), id, self._ranked)
        return message, lambda reply: open_inference.wrap(message, reply, wanted)

    def _take(self, feedback: Feedback, request: Request) -> Answer:
        accepted = feedback.take(request.json(), self._application.live(), self.max_records)
        return Answer(202, dumps({"accepted": accepted}))

    def _describe(self, live: Live) -> dict[str, Any]:
        """The OpenAPI document."""
        feedback = self._feedback is not None
        document = openapi.document(live, self._schema, self.max_records, feedback)
        for part in (self._ranked, self._access):
            if part is not None:
                part.describe(document)
        return document


def _plainly(reply: dict[str, Any]) -> Answer:
    return Answer(200, dumps(reply))


def _those(request: Request, names: Sequence[str]) -> dict[str, str]:
    """The headers of these names that a request has."""
    return {name: value for name in names if (value := request.header(name))}


def _model_path(path: str) -> tuple[str, str | None, str]:
    """The graph, the version if one is named, and the operation ("" for metadata)."""
    parts = path.split("/")[1:]
    if len(parts) < 3 or parts[:2] != ["v2", "models"]:
        raise NotFound(f"no path {path}")
    graph, rest, version = parts[2], parts[3:], None
    if len(rest) >= 2 and rest[0] == "versions":
        version, rest = rest[1], rest[2:]
    if len(rest) > 1 or (rest and rest[0] not in ("infer", "predict", "ready")):
        raise NotFound(f"no path {path}")
    return graph, version, rest[0] if rest else ""
