"""One step as a function of its own: a message (or, for the first step, records) in, one out."""

from __future__ import annotations

from typing import Any

from sluice.access.access import HEALTH, Access
from sluice.access.open import open_access
from sluice.application import Application
from sluice.codec import encode, from_json
from sluice.errors import DeclarationError, MethodNotAllowed
from sluice.graph import StepSpec
from sluice.message import Message
from sluice.parameters import Parameters
from sluice.project import Project
from sluice.protocol.http import Answer, Request, dumps, failed, of_event, to_response
from sluice.protocol.log import through
from sluice.service import make_context, read_spec
from sluice.step import Step


class StepSurface:
    """The handler of a function that is one step. `access`: who may ask; None: everybody."""

    def __init__(self, step: Step, access: Access | None = None) -> None:
        self.step, self._access = step, access

    @classmethod
    def open(cls, step: type[Step], name: str, nuclio: Any) -> StepSurface:
        """The surface of the step `name` of the graph that the settings name, with its class_args.

        `nuclio` is the host's context. Raises DeclarationError when the graph has no such step.
        """
        through(nuclio.logger)
        project = Project.find()
        spec = read_spec(project, project.settings.graph)
        declared = _step(spec.steps, name, spec.file)
        context = make_context(project, spec, nuclio)
        parameters = Parameters.parse(spec.parameters.get("sluice"), spec.file)
        context.application = Application.open(project, parameters, str(nuclio.worker_id))
        made = step(context=context, name=name, **declared.class_args)
        made.post_init()
        context.application.watch()
        nuclio.platform.set_termination_callback(context.application.close)
        return cls(made, open_access(project, parameters.graph))

    def handle(self, context: Any, event: Any) -> Any:
        """Answer one event, or a list of events (Nuclio's batching) with a list."""
        if isinstance(event, list):
            return [of_event(to_response(context, self.answer(e)), e) for e in event]
        return to_response(context, self.answer(event))

    def answer(self, event: Any) -> Answer:
        """The answer to one event, before the host's own shape."""
        request = Request(event)
        id: str | None = None
        try:
            if self._access is not None:
                self._access.check(request)
            if request.method == "GET" and request.path in HEALTH:
                return Answer(200, b"{}")
            if request.method != "POST":
                raise MethodNotAllowed(request.method, request.path, ["POST"])
            id = request.id()
            body = request.json()
            is_message = isinstance(body, dict) and "format" in body and "records" in body
            message = from_json(body) if is_message else Message.of(body)
            if id and not is_message:
                message.id = id
            id = message.id
            result = self.step.do(message)
        except Exception as error:  # the one place where a defect becomes a 500
            return failed(error, id)
        done = encode(result) if isinstance(result, Message) else dumps(result)
        return Answer(200, done)


def _step(steps: tuple[StepSpec, ...], name: str, file: str) -> StepSpec:
    for step in steps:
        if step.name == name:
            return step
    names = ", ".join(s.name for s in steps)
    raise DeclarationError(file, "spec.graph.steps", f"no step {name!r}", f"there are: {names}")
