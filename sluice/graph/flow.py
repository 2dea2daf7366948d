"""The order of the steps: one line from the start to the end, and one for each error handler."""

from __future__ import annotations

from collections.abc import Mapping

from sluice.declaration import Section
from sluice.errors import DeclarationError, nearest
from sluice.graph.spec import StepSpec

LINEAR = "a graph is one line: write the choice into the body, and act on it in the next step"


class Flow:
    """The steps of a graph in the order in which they run.

    Args:
        steps: by name.
        on_error: the graph's own error handler, or None.
        graph: where the steps are declared, for errors.

    Attributes:
        main: the steps that a request passes.
        rescues: by the name of an error handler, that step and those that follow it.

    Raises:
        DeclarationError: for a name that is not there, a branch, a join, a cycle, several starts,
            an error handler that is part of a flow or catches its own errors, and a responder
            that is not the last step.
    """

    def __init__(self, steps: Mapping[str, StepSpec], on_error: str | None, graph: Section) -> None:
        self._steps, self._graph = steps, graph
        self._next: dict[str, str] = {}
        self._before: dict[str, str] = {}
        for step in steps.values():
            for name in step.after:
                self._link(name, step.name, step.name, "after")
            for name in step.before:
                self._link(step.name, name, step.name, "before")
        caught = {step.name: step.on_error for step in steps.values() if step.on_error}
        handlers = self._handlers(caught, on_error)
        self.main = self._chain(self._start(handlers))
        self.rescues = {name: self._chain(name) for name in handlers}
        self._check_complete()
        self._check_rescues()
        self._check_responder()

    def _error(self, step: str, field: str, problem: str, hint: str = "") -> DeclarationError:
        return self._graph.error(f"steps.{step}.{field}" if step else field, problem, hint)

    def _known(self, name: str, step: str, field: str) -> None:
        if name not in self._steps:
            problem = f"there is no step {name!r}"
            raise self._error(step, field, problem, nearest(name, set(self._steps) - {step}))

    def _link(self, first: str, second: str, step: str, field: str) -> None:
        self._known(first if field == "after" else second, step, field)
        if self._before.get(second, first) != first:
            both = f"{self._before[second]} and {first}"
            raise self._error(step, field, f"joins are not supported: {both}", LINEAR)
        if self._next.get(first, second) != second:
            both = f"{self._next[first]} and {second} both come after {first}"
            raise self._error(step, field, f"branches are not supported: {both}", LINEAR)
        self._next[first], self._before[second] = second, first

    def _handlers(self, caught: Mapping[str, str], on_error: str | None) -> list[str]:
        """The names of the error handlers; each stands apart from the flow."""
        named = [*caught.items(), *([("", on_error)] if on_error else [])]
        for step, handler in named:
            self._known(handler, step, "on_error")
            if handler in self._before:
                problem = f"{handler!r} is part of the flow, it comes after {self._before[handler]}"
                hint = "an error handler stands apart: give it no after"
                raise self._error(step, "on_error", problem, hint)
        return list(dict.fromkeys(handler for _, handler in named))

    def _start(self, handlers: list[str]) -> str:
        starts = [n for n in self._steps if n not in self._before and n not in handlers]
        for name in starts:
            if self._steps[name].kind == "error_step":
                hint = f"write on_error: {name} in the step whose errors it handles"
                raise self._error(name, "kind", "no step names this error handler", hint)
        if len(starts) > 1:
            problem = f"several start steps are not supported: {', '.join(starts)}"
            hint = f"say which step {starts[1]} comes after"
            raise self._error(starts[1], "after", problem, hint)
        if not starts:
            raise self._cycle()
        return starts[0]

    def _chain(self, first: str) -> tuple[StepSpec, ...]:
        names = [first]
        while names[-1] in self._next:
            names.append(self._next[names[-1]])
        return tuple(self._steps[name] for name in names)

    def _check_complete(self) -> None:
        chains = (self.main, *self.rescues.values())
        if len({step.name for chain in chains for step in chain}) < len(self._steps):
            raise self._cycle()

    def _cycle(self) -> DeclarationError:
        """The error for steps that follow themselves; there is one."""
        for first in self._steps:
            names = [first]
            while (following := self._next.get(names[-1])) is not None:
                names.append(following)
                if following == first:
                    problem = f"cycles are not supported: {' → '.join(names)}"
                    return self._error(first, "after", problem, "loop inside a step")
                if len(names) > len(self._steps):
                    break
        problem = "there is no start step: each comes after another one, or handles errors"
        return self._graph.error("steps", problem)

    def _check_rescues(self) -> None:
        """No error handler may be called for an error of its own, or of a step behind it."""
        for handler in self.rescues:
            todo, seen = [handler], {handler}
            while todo:
                targets = {step.on_error for step in self.rescues[todo.pop()] if step.on_error}
                if handler in targets:
                    problem = f"{handler!r} would handle an error of its own"
                    raise self._error(handler, "on_error", problem)
                todo += sorted(targets - seen)
                seen |= targets

    def _check_responder(self) -> None:
        last = self.main[-1].name
        for step in self._steps.values():
            if step.responder and step.kind == "task" and step.name != last:
                hint = "the last step answers: leave it out here"
                raise self._error(step.name, "responder", f"{last} is the last step", hint)
