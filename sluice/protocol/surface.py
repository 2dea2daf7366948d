"""The HTTP surface of a graph: methods and paths to the protocols, errors to their status."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sluice
from sluice.errors import MethodNotAllowed, NotFound, TooLarge
from sluice.live import Live, Version
from sluice.message import Message, request_id
from sluice.observe import observe_failure
from sluice.project import Project
from sluice.protocol import mlrun_v2, open_inference
from sluice.protocol.http import Answer, decoded, dumps, failed, header, to_response
from sluice.service import Service

_POST, _GET = ["POST"], ["GET"]


class Surface:
    """Answers the events of one graph.

    POST /                                             a record, a list of records, or MLRun v2
    POST /v2/models/{name}[/versions/{v}]/infer        Open Inference Protocol or MLRun v2
    GET  /v2, /v2/health/live, /v2/health/ready
    GET  /v2/models/{name}[/versions/{v}][/ready]
    """

    def __init__(self, service: Service, max_records: int = 10_000) -> None:
        self.service = service
        self.max_records = max_records
        self._application = service.application
        self._schema = service.application.definitions.record

    @classmethod
    def open(cls, nuclio: Any = None) -> Surface:
        """The surface of the graph that the settings name, with its versions loaded."""
        project = Project.find()
        service = Service.open(project, nuclio=nuclio)
        return cls(service, project.settings.max_records)

    def handle(self, context: Any, event: Any) -> Any:
        """Answer one event, or a list of events (Nuclio's batching) with a list."""
        if isinstance(event, list):
            return [_of_event(to_response(context, self.answer(e)), e) for e in event]
        return to_response(context, self.answer(event))

    def answer(self, event: Any) -> Answer:
        """The answer to one event, before the host's own shape. Never raises."""
        path = event.path or "/"
        if path in ("/", "") and event.method in ("POST", ""):
            return self._predict(event, None, plain=True)
        try:
            return self._routed(event, path.rstrip("/") or "/")
        except Exception as error:  # the one place where a defect becomes a 500
            return failed(error, None)

    def _routed(self, event: Any, path: str) -> Answer:
        fixed: dict[str, Callable[[], Answer]] = {
            "/v2": self._server,
            "/v2/health/live": lambda: Answer(200, b'{"live":true}'),
            "/v2/health/ready": self._ready,
        }
        if path in fixed:
            _allow(event, path, _GET)
            return fixed[path]()
        if path == "/":
            _allow(event, path, _POST)
        return self._model(event, path)

    def _model(self, event: Any, path: str) -> Answer:
        graph, version, operation = _model_path(path)
        if graph != self.service.name:
            raise NotFound(f"no model {graph!r}: this is {self.service.name}")
        if operation in ("infer", "predict"):
            _allow(event, path, _POST)
            return self._predict(event, version, plain=False)
        _allow(event, path, _GET)
        live = self._application.live()
        chosen = live.version(version) if version else live.champion
        if operation == "ready":
            body = {"name": graph, "version": chosen.number, "ready": True}
            return Answer(200, dumps(body))
        return Answer(200, dumps(self._metadata(live, chosen, version)))

    def _predict(self, event: Any, version: str | None, plain: bool) -> Answer:
        message: Message | None = None
        given: str | None = None
        try:
            given = request_id(header(event, "x-request-id") or header(event, "mlrun-event-id"))
            body = decoded(event)
            message, wrap = self._unwrap(body, plain)
            message.id = given or message.id
            message.pin = version
            message.headers = trace(event)
            if len(message.records) > self.max_records:
                found = f"{len(message.records)} records in one request"
                raise TooLarge(f"{found}: at most {self.max_records} are taken")
            return Answer(200, dumps(wrap(self.service.run(message))))
        except Exception as error:  # the one place where a defect becomes a 500
            answer = failed(error, message.id if message else given)
            observe_failure(self._application, message, error, answer.status)
            return answer

    def _unwrap(self, body: Any, plain: bool) -> tuple[Message, Callable[[Any], Any]]:
        if plain:
            inputs = body.get("inputs") if isinstance(body, dict) else None
            if not isinstance(inputs, list):
                return Message.of(body), _same
        elif open_inference.is_request(body):
            names = self._application.live().champion.manifest.outputs
            message = open_inference.unwrap(body, self._schema)
            wanted = body.get("outputs")
            return message, lambda reply: open_inference.wrap(reply, names, wanted)
        return mlrun_v2.unwrap(body, self._schema), mlrun_v2.wrap

    def _server(self) -> Answer:
        body = {"name": "sluice", "version": sluice.__version__, "extensions": []}
        return Answer(200, dumps(body))

    def _ready(self) -> Answer:
        live = self._application.live()
        body: dict[str, Any] = {"ready": True, "model": live.graph, "versions": dict(live.aliases)}
        refused = {**live.refused}
        if self._application.refusal:
            refused["reload"] = self._application.refusal
        if refused:
            body["refused"] = refused
        return Answer(200, dumps(body))

    def _metadata(self, live: Live, chosen: Version, version: str | None) -> Any:
        outputs = {n: _datatype(n, chosen) for n in chosen.manifest.outputs}
        versions = [chosen.number] if version else sorted(live.versions, key=int)
        return open_inference.metadata(live.graph, versions, self._schema, outputs)


def trace(event: Any) -> dict[str, str]:
    """The W3C trace context of an event: what goes on with the monitoring event."""
    found = {n: header(event, n) for n in ("traceparent", "tracestate")}
    return {n: v for n, v in found.items() if v}


def _same(reply: Any) -> Any:
    return reply


def _allow(event: Any, path: str, methods: list[str]) -> None:
    if (event.method or "POST") not in methods:
        raise MethodNotAllowed(event.method, path, methods)


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


def _datatype(output: str, version: Version) -> str:
    if output != "label":
        return "FP64"
    label = version.manifest.classes[0]
    return {bool: "BOOL", int: "INT64", float: "FP64"}.get(type(label), "BYTES")


def _of_event(response: Any, event: Any) -> Any:
    response.event_id = event.id
    return response
