"""A row of the comparison of MLRun's engines with ours, and short ways to write one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from . import engine_steps

Outcome = tuple[Any, ...]
SECRETS = [
    {"kind": "inline", "source": {"s": 5}},
    {"kind": "env", "source": "t, absent", "prefix": "x_"},
    {"kind": "kubernetes", "source": ["u"]},
]
ENVIRON = {"t": "from env", "u": "from kubernetes"}


def step(name: str = "", after: str = "", **fields: Any) -> dict[str, Any]:
    """A step whose class is one of engine_steps."""
    class_name = {"class_name": f"{engine_steps.__name__}.{name}"} if name else {}
    return {**class_name, "after": [after] if after else [], **fields}


def last(name: str = "", after: str = "", **fields: Any) -> dict[str, Any]:
    """A step that responds, as MLRun's asynchronous engine needs it."""
    return step(name, after, responder=True, **fields)


def catch(name: str, **fields: Any) -> dict[str, Any]:
    return step(name, kind="error_step", before=[], **{"full_event": True, **fields})


def function(name: str) -> str:
    return f"{engine_steps.__name__}.{name}"


@dataclass(frozen=True)
class Row:
    """A graph, an event's body and what comes out of it.

    `asynchronous` is what MLRun's asynchronous engine answers, if it is something else.
    """

    id: str
    steps: dict[str, Any]
    body: Any
    want: Outcome
    asynchronous: Outcome | None = None
    graph: Mapping[str, Any] = field(default_factory=dict)
    spec: Mapping[str, Any] = field(default_factory=dict)
    event: Mapping[str, Any] = field(default_factory=dict)

    def handed_over(self, engine: str) -> dict[str, Any]:
        graph = {"engine": engine, "steps": self.steps, **self.graph}
        return {"function_uri": "p/f", "version": "v2", "graph": graph, **self.spec}


def ok(body: Any) -> Outcome:
    return ("ok", body)


def error(kind: type[Exception], text: str = "") -> Outcome:
    return ("error", kind.__name__, text)
