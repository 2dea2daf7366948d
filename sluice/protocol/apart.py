"""One step as a function of its own: a message (or, for the first step, records) in, one out."""

from __future__ import annotations

from typing import Any

from sluice.application import Application
from sluice.codec import encode, from_json
from sluice.errors import DeclarationError, MethodNotAllowed
from sluice.graph import StepSpec
from sluice.message import Message
from sluice.parameters import Parameters
from sluice.project import Project
from sluice.protocol.http import Answer, Request, dumps, failed, to_response
from sluice.service import make_context, read_spec
from sluice.step import Step


class StepSurface:
    """The handler of a function that is one step."""

    def __init__(self, step: Step) -> None:
        self.step = step

    @classmethod
    def open(
        cls, step: type[Step], name: str, application: Application | None = None
    ) -> StepSurface:
        """The surface of the step `name` of the graph that the settings name, with its class_args.

        Raises DeclarationError when the graph has no such step.
        """
        project = Project.find()
        spec = read_spec(project, project.settings.graph)
        declared = _step(spec.steps, name, spec.file)
        context = make_context(project, spec)
        parameters = Parameters.parse(spec.parameters.get("sluice"), spec.file)
        context.application = application or Application.open(project, parameters)
        made = step(context=context, name=name, **declared.class_args)
        made.post_init()
        return cls(made)

    def handle(self, context: Any, event: Any) -> Any:
        """Answer one event."""
        return to_response(context, self.answer(event))

    def answer(self, event: Any) -> Answer:
        """The answer to one event, before the host's own shape."""
        request = Request(event)
        if request.method != "POST":
            if request.method == "GET" and request.path in ("/v2/health/live", "/v2/health/ready"):
                return Answer(200, b"{}")
            return failed(MethodNotAllowed(request.method, request.path, ["POST"]), None)
        message: Message | None = None
        try:
            body = request.json()
            is_message = isinstance(body, dict) and "format" in body and "records" in body
            message = from_json(body) if is_message else Message.of(body)
            result = self.step.do(message)
        except Exception as error:  # the one place where a defect becomes a 500
            return failed(error, message.id if message else None)
        done = encode(result) if isinstance(result, Message) else dumps(result)
        return Answer(200, done)


def _step(steps: tuple[StepSpec, ...], name: str, file: str) -> StepSpec:
    for step in steps:
        if step.name == name:
            return step
    names = ", ".join(s.name for s in steps)
    raise DeclarationError(file, "spec.graph.steps", f"no step {name!r}", f"there are: {names}")
