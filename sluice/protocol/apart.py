"""One step as a function of its own: a message (or, for the first step, records) in, one out.

With a URL in the setting `next`, the message goes on from there, and the answer is the last step's.
With a topic, it came by a trigger of the step's own topic, and goes on to that one.
"""

from __future__ import annotations

import dataclasses
import math
import time
from typing import TYPE_CHECKING, Any

from sluice.access.access import HEALTH, Access
from sluice.access.open import open_access
from sluice.application import Application
from sluice.codec import encode, from_json
from sluice.errors import DeclarationError, MethodNotAllowed, RequestError
from sluice.graph import Graph, StepSpec
from sluice.message import Message
from sluice.parameters import Parameters
from sluice.project import Project
from sluice.protocol.http import Answer, Request, dumps, failed, of_event, to_response
from sluice.protocol.line import LINE, STEP, Line, Next, outcome
from sluice.protocol.log import through
from sluice.protocol.surface import Surface
from sluice.service import make_context, read_spec
from sluice.step import Step

if TYPE_CHECKING:
    from sluice.streaming.surface import StreamSurface

# A step ends its wait for the others a little before its host would end it.
_WAIT = 0.9


class StepSurface:
    """The handler of a function that is one step.

    Args:
        step: it.
        access: who may ask; None: everybody.
        following: the step that its message goes to; None: back to who sent it.
        timeout_s: how long the steps that follow may take, where the message does not say.
    """

    def __init__(
        self,
        step: Step,
        access: Access | None = None,
        following: Next | None = None,
        timeout_s: float = 30.0,
    ) -> None:
        self.step, self._access = step, access
        self._next, self._timeout_s = following, timeout_s

    @classmethod
    def open(
        cls, step: type[Step], name: str, nuclio: Any
    ) -> StepSurface | Surface | StreamSurface:
        """The surface of the step `name` of the graph that the settings name, with its class_args.

        The first of several that follow each other has the graph's whole surface. `nuclio` is the
        host's context. Raises DeclarationError when the graph has no such step.
        """
        through(nuclio.logger)
        project = Project.find()
        if project.settings.next and "://" not in project.settings.next:
            return _by_topic(name, nuclio)
        spec = read_spec(project, project.settings.graph)
        place = _place(spec.steps, name, spec.file)
        context = make_context(project, spec, nuclio)
        parameters = Parameters.parse(spec.parameters.get("sluice"), spec.file)
        application = context.application = Application.open(
            project, parameters, str(nuclio.worker_id)
        )
        following = _following(project, spec.steps[place + 1 :])
        limit = project.settings.timeout * _WAIT
        application.watch()
        if following is not None and place == 0:
            one = dataclasses.replace(spec, steps=spec.steps[:1])
            graph = Graph(one, context=context, root=project.root)
            line = Line(graph, application, following, limit)
            line.steps = spec.steps
            nuclio.platform.set_termination_callback(line.close)
            return Surface.over(project, line, nuclio)
        made = step(context=context, name=name, **spec.steps[place].class_args)
        made.post_init()
        nuclio.platform.set_termination_callback(application.close)
        return cls(made, open_access(project, parameters.graph), following, limit)

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
            message = _message(request, id)
            id = message.id
            return Answer(200, self._done(message, _left(request)))
        except Exception as error:  # the one place where a defect becomes a 500
            answer = failed(error, id)
            step = vars(error).get("failed_step", self.step.name)
            return answer._replace(headers={**answer.headers, STEP: step})

    def _done(self, message: Message, left_s: float | None) -> bytes:
        begun = time.monotonic()
        result = self.step.do(message)
        if self._next is not None:
            left = self._timeout_s if left_s is None else left_s
            return self._next.ask(result, left - (time.monotonic() - begun))
        if isinstance(result, Message):
            return encode(result)
        return dumps(result if left_s is None else outcome(message, result))


def _by_topic(step: str, nuclio: Any) -> StreamSurface:
    """What works for a step whose neighbours are topics."""
    from sluice.streaming.surface import StreamSurface  # of no use, and no cost, over HTTP

    surface = StreamSurface.open(nuclio, step)
    nuclio.platform.set_termination_callback(surface.close)
    return surface


def _message(request: Request, id: str | None) -> Message:
    body = request.json()
    if isinstance(body, dict) and "format" in body and "records" in body:
        return from_json(body)
    message = Message.of(body)
    message.id = id or message.id
    return message


def _left(request: Request) -> float | None:
    """The seconds that are left, if the message comes from a step before."""
    given = request.header(LINE)
    if given is None:
        return None
    try:
        left = float(given)
    except ValueError:
        left = math.nan
    if not 0 < left < math.inf:
        raise RequestError(f"{LINE}: expected seconds")
    return left


def _following(project: Project, steps: tuple[StepSpec, ...]) -> Next | None:
    settings = project.settings
    if not settings.next:
        return None
    if not steps:
        raise DeclarationError("settings", "next", "is set, and this step is the graph's last")
    return Next(steps[0].name, settings.next, settings.api_key)


def _place(steps: tuple[StepSpec, ...], name: str, file: str) -> int:
    for place, step in enumerate(steps):
        if step.name == name:
            return place
    names = ", ".join(s.name for s in steps)
    raise DeclarationError(file, "spec.graph.steps", f"no step {name!r}", f"there are: {names}")
