"""What ours refuses: by name, with what to use instead, in a file and when it is handed over."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from sluice.errors import DeclarationError
from sluice.graph import Graph, GraphSpec, refused

from .engine_row import step

# Its name, where it stands in the declaration, and what the message must say.
Refused = tuple[str, dict[str, Any], str]


def _graph(steps: Mapping[str, Any], **graph: Any) -> dict[str, Any]:
    return {"graph": {"steps": steps, **graph}}


FIELD = {"a": 1}
ADD = {"handler": "math.sqrt"}
# fmt: off
REFUSED: list[Refused] = [
    *(
        (f"kind {kind}", _graph({"a": {"kind": kind, "class_name": "x.Y"}}),
         f"graph.steps.a.kind: {kind} is not supported ({instead})")
        for kind, instead in refused.STEP_KINDS.items()
    ),
    *(
        (f"class_name {name}", _graph({"a": {"class_name": f"{name}x"}}),
         f"graph.steps.a.class_name: {name}x is not supported ({instead})")
        for name, instead in refused.CLASS_NAMES.items()
    ),
    *(
        (f"step {name}", _graph({"a": {**step("Add"), name: FIELD}}),
         f"graph.steps.a.{name}: {name} is not supported ({instead})")
        for name, instead in refused.STEP_FIELDS.items()
    ),
    *(
        (f"graph {name}", _graph({"a": step("Add")}, **{name: FIELD}),
         f"graph.{name}: {name} is not supported ({instead})")
        for name, instead in refused.GRAPH_FIELDS.items()
    ),
    *(
        (f"function {name}", {**_graph({"a": step("Add")}), name: FIELD},
         f"{name}: {name} is not supported ({instead})")
        for name, instead in refused.FUNCTION_FIELDS.items()
    ),
    *(
        (f"secrets {kind}",
         {**_graph({"a": step("Add")}), "secret_sources": [{"kind": kind, "source": {}}]},
         f"secret_sources[0].kind: {kind} is not supported ({instead})")
        for kind, instead in refused.SECRET_KINDS.items()
    ),
    ("graph kind router", _graph({}, kind="router"),
     f"graph.kind: router is not supported ({refused.STEP_KINDS['router']})"),
    ("graph kind flow", _graph({"a": step("Add")}, kind="flow"),
     "graph.kind: unknown value 'flow' (MLRun too wants none here, or root)"),
    ("expression as handler", _graph({"a": {"handler": "(event + 1)"}}),
     f"graph.steps.a.handler: '(event + 1)' is not supported ({refused.EXPRESSION})"),
    ("expression as initializer",
     {**_graph({"a": step("Add")}), "graph_initializer": "(print(event))"},
     f"graph_initializer: '(print(event))' is not supported ({refused.EXPRESSION})"),
    ("_fn", _graph({"a": step("Add", class_args={"_fn": "(event)"})}),
     f"graph.steps.a.class_args._fn: _fn is not supported ({refused.EXPRESSION})"),
    ("branch", _graph({"a": step("Add"), "b": step("Add", "a"), "c": step("Add", "a")}),
     "graph.steps.c.after: branches are not supported: b and c both come after a"),
    ("join", _graph({"a": step("Add"), "c": step("Add"), "b": {"after": ["a", "c"], **ADD}}),
     "graph.steps.b.after: joins are not supported: a and c"),
    ("several starts", _graph({"a": step("Add"), "b": step("Add")}),
     "graph.steps.b.after: several start steps are not supported: a, b"),
    ("cycle", _graph({"a": step("Add"), "b": step("Add", "c"), "c": step("Add", "b")}),
     "graph.steps.b.after: cycles are not supported: b → c → b"),
    ("select_outlets", _graph({"a": step("Outlets")}),
     f"graph.steps.a.class_name: select_outlets is not supported ({refused.SELECT_OUTLETS})"),
    ("async def", _graph({"a": step("Later")}),
     f"graph.steps.a.handler: async def is not supported ({refused.ASYNC})"),
    ("generator", _graph({"a": step("Pieces")}),
     f"graph.steps.a.handler: a generator is not supported ({refused.GENERATOR})"),
    ("no method", _graph({"a": step("Nothing")}), "Nothing has no method 'do'"),
]
# fmt: on


# What MLRun adds of its own accord is noticed when it is handed over: tests/graph/test_read.py.
NOTICED = ("step function", "graph track_models", "function track_models")
HANDED_OVER = [row for row in REFUSED if row[0] not in NOTICED]


@pytest.mark.parametrize(("name", "spec", "message"), REFUSED, ids=[r[0] for r in REFUSED])
def test_in_a_file(name: str, spec: dict[str, Any], message: str) -> None:
    declared = {"kind": "serving", "metadata": {"name": "g"}, "spec": spec}
    with pytest.raises(DeclarationError) as caught:
        Graph(GraphSpec.parse(declared, "graph.yaml"))
    assert str(caught.value).startswith("graph.yaml: spec.")
    assert message in str(caught.value)


@pytest.mark.parametrize(("name", "spec", "message"), HANDED_OVER, ids=[r[0] for r in HANDED_OVER])
def test_handed_over(name: str, spec: dict[str, Any], message: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        Graph(GraphSpec.handed_over(json.dumps(spec)))
    assert str(caught.value).startswith("SERVING_SPEC_ENV: ")
    assert message in str(caught.value)
