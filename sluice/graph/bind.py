"""Turns the declaration of a step into the call that runs it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from sluice.declaration import load_object
from sluice.errors import DeclarationError, nearest
from sluice.graph import refused
from sluice.graph.context import Context
from sluice.graph.paths import pick, put, split_escaped
from sluice.graph.spec import StepSpec

Call = Callable[[Any], Any]


class Binder:
    """Constructs steps for one graph.

    Args:
        file: the declaration, for errors.
        context: handed to the steps.
        names: classes and functions that a declaration may name without a path.
        root: made importable, so that dotted paths are found.
        mode: handed to each step's `post_init`.
    """

    def __init__(
        self, file: str, context: Context, names: Mapping[str, Any], root: Path | None, mode: str
    ) -> None:
        self._file, self._context, self._names = file, context, names
        self._root, self._mode = root, mode

    def find(self, path: str, where: str) -> Any:
        """What a name or a dotted path names. Raises DeclarationError."""
        if path in self._names:
            return self._names[path]
        return load_object(path, self._file, where, self._root)

    def bind(self, spec: StepSpec) -> tuple[Call, bool]:
        """The call of a step, and whether it takes the event rather than the body.

        Raises DeclarationError when the step can't be found, constructed or called.
        """
        if spec.class_name is None:
            call, takes_event = self._function(spec), False
        else:
            call, takes_event = self._method(spec)
        self._check(call, spec)
        return call, takes_event or bool(spec.full_event)

    def _function(self, spec: StepSpec) -> Call:
        function = self.find(spec.handler or "", f"{spec.where}.handler")
        if "context" in inspect.signature(function).parameters:
            return partial(function, context=self._context)
        return function  # type: ignore[no-any-return]

    def _method(self, spec: StepSpec) -> tuple[Call, bool]:
        step = self.construct(spec)
        if hasattr(step, "select_outlets"):
            problem = "select_outlets is not supported"
            raise self._error(spec, "class_name", problem, refused.SELECT_OUTLETS)
        if hasattr(step, "post_init"):
            step.post_init(
                self._mode,
                creation_strategy=spec.creation_strategy,
                endpoint_type=spec.endpoint_type,
            )
        name = spec.handler or ("do_event" if hasattr(step, "do_event") else "do")
        if not callable(getattr(step, name, None)):
            methods = [n for n in dir(step) if not n.startswith("_") and callable(getattr(step, n))]
            problem = f"{spec.class_name} has no method {name!r}"
            raise self._error(spec, "handler", problem, nearest(name, methods))
        return getattr(step, name), name == "do_event" and not spec.handler

    def construct(self, spec: StepSpec) -> Any:
        """The step of a class, before it loads anything. Raises DeclarationError."""
        cls = self.find(spec.class_name or "", f"{spec.where}.class_name")
        try:
            return cls(**self._arguments(cls, spec))
        except TypeError as error:
            raise self._error(spec, "class_args", str(error)) from error

    def _arguments(self, cls: Any, spec: StepSpec) -> dict[str, Any]:
        """class_args, and what MLRun passes along to a class that takes it."""
        injected = {
            "name": spec.name,
            "context": self._context,
            "input_path": spec.input_path,
            "result_path": spec.result_path,
            "full_event": spec.full_event,
            "graph_step": spec,
        }
        taken = inspect.getfullargspec(cls)
        own = {key: v for key, v in injected.items() if taken.varkw or key in taken.args}
        return {**spec.class_args, **own}

    def _check(self, call: Call, spec: StepSpec) -> None:
        if inspect.iscoroutinefunction(call) or inspect.isasyncgenfunction(call):
            raise self._error(spec, "handler", "async def is not supported", refused.ASYNC)
        if inspect.isgeneratorfunction(call):
            raise self._error(spec, "handler", "a generator is not supported", refused.GENERATOR)

    def _error(self, spec: StepSpec, field: str, problem: str, hint: str = "") -> DeclarationError:
        return DeclarationError(self._file, f"{spec.where}.{field}", problem, hint)


def on_event(call: Call, spec: StepSpec) -> Call:
    """A call on bodies as a call on events, with input_path and result_path."""
    source = tuple(spec.input_path.split(".")) if spec.input_path else ()
    target = split_escaped(spec.result_path) if spec.result_path else ()

    def run(event: Any) -> Any:
        body = pick(event.body, source) if source else event.body
        result = call(body)
        event.body = put(event.body, target, result) if target else result
        return event

    return run
