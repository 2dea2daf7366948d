"""The engine: runs one request through the steps of a graph, in this process."""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sluice.errors import RequestError
from sluice.graph.bind import Binder, Call, on_event
from sluice.graph.context import Context
from sluice.graph.event import Event, is_event
from sluice.graph.paths import put, split_escaped
from sluice.graph.spec import GraphSpec, StepSpec
from sluice.graph.tables import table_calls

_JSON = ("json", "application/json")
_EVENT_ID, _EVENT_PATH = "mlrun-event-id", "mlrun-event-path"


class Graph:
    """A loaded graph. Steps are constructed and have loaded what they need.

    Args:
        spec: the declaration.
        context: what the steps get; by default one made from the declaration alone.
        namespace: classes and functions that the declaration may name without a path.
        root: the project's folder, made importable.

    Raises:
        DeclarationError: when a step can't be found, constructed or called.
        Exception: what a step's `post_init` raises, with the step's name attached.

    A graph whose steps only take bodies (no full_event, input_path, result_path or on_error) costs
    one call per step and no event. If all of them take `many` (sluice/step.py), so does the graph.
    """

    def __init__(
        self,
        spec: GraphSpec,
        *,
        context: Context | None = None,
        namespace: Mapping[str, Any] | None = None,
        root: Path | None = None,
    ) -> None:
        self.spec, self.name = spec, spec.name
        self.context = context or Context(spec, root=root)
        self.parameters = self.context.parameters
        for notice in spec.notices:
            self.context.logger.warn(notice)
        binder = Binder(spec.file, self.context, namespace or {}, root, spec.load_mode)
        if spec.graph_initializer:
            binder.find(spec.graph_initializer, "graph_initializer")(self)
        self._nodes: dict[str, _Node] = {}
        self._chain = self._load(spec.steps, binder)
        rescue = spec.rescues[spec.on_error] if spec.on_error else ()
        self._rescue = self._load(rescue, binder)
        self._plain = self._calls()
        calls = self._plain or ((self.name, None),)
        self._tables = table_calls(self._plain)
        self.many = all(getattr(getattr(c, "__self__", None), "many", False) for _, c in calls)

    def run(self, body: Any, *, event: Any = None) -> Any:
        """The answer to one body: what the last step returned, a Response if it returned one.

        `event` is what steps with full_event see; its body is replaced. What a step raises comes
        out as it is, with the step's name in a note and as its attribute `failed_step`.
        """
        if self._plain is None:
            return self._run_event(Event() if event is None else event, body)
        name = ""
        try:
            for name, call in self._plain:  # noqa: B007 (needed where it fails)
                body = call(body)
        except Exception as error:
            self._failed(error, name, Event(body) if event is None else event)
            raise
        return body

    def run_many(self, body: Any) -> Any:
        """The answers to the requests that share a message, where the graph takes `many`.

        What a step raises comes out as by `run`, but nothing goes to the error stream: it says of
        none of the requests that it was at fault.
        """
        return _through(self._plain or (), body, self.context)

    def run_table(self, block: Any) -> Any:
        """What the last step's array form returned: each `do_table`, in the order of the steps.

        For a graph that `takes_tables`. What a step raises comes out as by `run_many`.
        """
        return _through(self._tables or (), block, self.context)

    @property
    def takes_tables(self) -> bool:
        """Whether every step has an array form (sluice/step.py)."""
        return self._tables is not None

    def handle(self, event: Any) -> Any:
        """The answer to one event as it came from a trigger: its body may be JSON in bytes.

        The headers MLRUN-EVENT-ID and MLRUN-EVENT-PATH replace the event's id and path. Raises
        RequestError for a body that says that it is JSON and is not.
        """
        event.content_type = event.content_type or self.spec.default_content_type or ""
        for name, value in (event.headers or {}).items():
            lower = name.lower()
            if lower == _EVENT_ID:
                event.id = value
            elif lower == _EVENT_PATH:
                event.path = value
        event.body = self._decoded(event)
        return self.run(event.body, event=event)

    def _decoded(self, event: Any) -> Any:
        body = None if event.body == b"" else event.body
        typed = event.content_type in _JSON
        if not isinstance(body, str | bytes) or not (typed or not event.content_type):
            return body
        try:
            return json.loads(body)
        except ValueError as error:
            if not typed:
                return body
            message = f"the body is not JSON: {error}"
            self.context.push_error(event, message, source="_handler")
            raise RequestError(message) from None

    def step(self, name: str) -> Any:
        """The object of a step that is a class."""
        return getattr(self._nodes[name].call, "__self__", None)

    def _load(self, steps: tuple[StepSpec, ...], binder: Binder) -> tuple[_Node, ...]:
        return tuple(self._node(step, binder) for step in steps)

    def _node(self, step: StepSpec, binder: Binder) -> _Node:
        if step.name not in self._nodes:
            try:
                call, takes_event = binder.bind(step)
            except Exception as error:
                _blame(error, step.name)
                raise
            rescue = self._load(self.spec.rescues[step.on_error], binder) if step.on_error else ()
            self._nodes[step.name] = _Node(step, call, takes_event, rescue, self.context)
        return self._nodes[step.name]

    def _calls(self) -> tuple[tuple[str, Call], ...] | None:
        """The bare calls, if no step needs the event."""
        if self._rescue or not all(node.plain for node in self._chain):
            return None
        return tuple((node.name, node.call) for node in self._chain)

    def _run_event(self, event: Any, body: Any) -> Any:
        event.body, event.error, event.origin_state, event.terminated = body, None, None, False
        try:
            result = _follow(self._chain, event)
        except Exception as error:
            if not self._rescue:
                self._failed(error, getattr(error, "failed_step", ""), event)
                raise
            result = self._caught(error, event)
        return result.body if is_event(result) else result

    def _caught(self, error: Exception, event: Any) -> Any:
        """The graph's own error handler answers, and the graph ends."""
        step = getattr(error, "failed_step", "")
        _report(error, step, event, self.context)
        try:
            return _hand_over(self._rescue[0], event, step, error)
        except Exception as second:
            self._failed(second, self._rescue[0].name, event)
            raise

    def _failed(self, error: Exception, step: str, event: Any) -> None:
        _blame(error, step)
        self.context.conceal(error, event.body)
        self.context.push_error(event, f"{type(error).__name__}: {text_of(error)}", "_handler")


class _Node:
    """One step, bound: `call` takes a body, `run` an event."""

    __slots__ = ("_context", "_run", "_target", "call", "name", "plain", "rescue")

    def __init__(
        self,
        spec: StepSpec,
        call: Call,
        takes_event: bool,
        rescue: tuple[_Node, ...],
        context: Context,
    ) -> None:
        self.name, self.call, self.rescue, self._context = spec.name, call, rescue, context
        self.plain = not (takes_event or spec.input_path or spec.result_path or rescue)
        self._run = call if takes_event else on_event(call, spec)
        self._target = split_escaped(spec.result_path) if spec.result_path else ()

    def run(self, event: Any) -> Any:
        try:
            return self._run(event)
        except Exception as error:
            _blame(error, self.name)
            self._context.conceal(error, event.body)
            if not self.rescue:
                raise
            _report(error, self.name, event, self._context)
            result = _hand_over(self.rescue[0], event, self.name, error)
            if is_event(result):
                return result
            event.body = put(event.body, self._target, result) if self._target else result
            return event


def _follow(chain: tuple[_Node, ...], event: Any) -> Any:
    """Run the steps one after the other; a handled error goes on behind its handler."""
    for node in chain:
        event = node.run(event)
        if getattr(event, "terminated", False):
            return event
        if node.rescue and node.name in (getattr(event, "error", None) or ()):
            return _follow(node.rescue[1:], event)
    return event


def _through(calls: Iterable[tuple[str, Call]], body: Any, context: Context) -> Any:
    """What the last of the bare calls returned; what one raises says in which step."""
    name = ""
    try:
        for name, call in calls:  # noqa: B007 (needed where it fails)
            body = call(body)
    except Exception as error:
        _blame(error, name)
        context.conceal(error, body)
        raise
    return body


def _hand_over(handler: _Node, event: Any, step: str, error: Exception) -> Any:
    """Let an error handler answer for a step: it finds the error and its origin in the event."""
    event.error = {**(event.error or {}), step: text_of(error)}
    event.origin_state = step
    return handler.run(event)


def _report(error: Exception, step: str, event: Any, context: Context) -> None:
    """A handled error is not lost: it is logged with its traceback, and put on the error stream."""
    trace = "".join(traceback.format_exception(error))
    context.logger.error(f"step {step} of {context.name}, handled: {trace}")
    context.push_error(event, f"{text_of(error)}\n{trace}", source=step)


def _blame(error: Exception, step: str) -> None:
    """Attach the name of the step that failed; the innermost one stays."""
    if not hasattr(error, "failed_step"):
        vars(error)["failed_step"] = step
        error.add_note(f"in step {step!r}")


def text_of(error: BaseException) -> str:
    """The text of an error and of what it says caused it, as MLRun writes it."""
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain:
        chain.append(cause)
        cause = cause.__cause__
    return ", caused by: ".join(str(link) or repr(link) for link in chain)
