"""What a declaration may say, in a file and handed over, and how errors name the place."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from sluice.errors import DeclarationError
from sluice.graph import Graph, GraphSpec

YAML = """
kind: serving
metadata:
  name: tiny
  project: demo
  labels: {team: a}
spec:
  image: some/image
  parameters: {p: 1, sluice: {graph: tiny}}
  load_mode: async
  default_content_type: application/json
  graph_initializer: some.module.start
  error_stream: errors
  secret_sources:
    - {kind: inline, source: {a: b}}
  graph:
    engine: sync
    on_error: oops
    steps:
      last: {class_name: x.Last, after: [first], on_error: oops, responder: true}
      first: {class_name: x.First, class_args: {by: 2}, input_path: a.b}
      oops: {kind: error_step, class_name: x.Oops, full_event: true}
verbose: true
"""


def declared(steps: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {
        "kind": "serving",
        "metadata": {"name": "g"},
        "spec": {"graph": {"steps": steps}, **spec},
    }


def refusal(data: Any, strict: bool = True) -> str:
    with pytest.raises(DeclarationError) as caught:
        GraphSpec.parse(data, "graph.yaml", strict)
    return str(caught.value)


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "graph.yaml"
    path.write_text(YAML)
    spec = GraphSpec.read(path)
    assert (spec.name, spec.project, spec.file, spec.verbose) == ("tiny", "demo", str(path), True)
    assert [step.name for step in spec.steps] == ["first", "last"]
    assert spec.steps[0].class_args == {"by": 2}
    assert spec.steps[0].input_path == "a.b"
    assert [step.name for step in spec.rescues["oops"]] == ["oops"]
    assert (spec.on_error, spec.load_mode, spec.error_stream) == ("oops", "async", "errors")
    assert spec.graph_initializer == "some.module.start"
    assert spec.default_content_type == "application/json"
    assert spec.parameters == {"p": 1, "sluice": {"graph": "tiny"}}
    assert spec.secret_sources[0].source == {"a": "b"}
    assert spec.notices == ()


def test_a_step_that_follows_an_error_handler(tmp_path: Path) -> None:
    steps = {
        "a": {"handler": "math.sqrt", "on_error": "c"},
        "c": {"kind": "error_step", "handler": "math.sin", "before": ["d"]},
        "d": {"handler": "math.cos"},
    }
    spec = GraphSpec.parse(declared(steps), "graph.yaml")
    assert [step.name for step in spec.rescues["c"]] == ["c", "d"]


STEP = {"handler": "math.sqrt"}


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ({"a": {**STEP, "handlr": 1}}, "spec.graph.steps.a.handlr: unknown field (did you mean 'h"),
        ({"a": {}}, "spec.graph.steps.a.class_name: is missing (name a class, or a function"),
        ({"a": {**STEP, "full_event": "yes"}}, "steps.a.full_event: expected true or false, found"),
        ({"a": {**STEP, "class_args": [1]}}, "steps.a.class_args: expected a mapping, found a lis"),
        ({"a": {**STEP, "kind": "tsk"}}, "steps.a.kind: unknown value 'tsk' (did you mean 'task'?"),
        ({"a": {**STEP, "after": "b"}, "bb": STEP}, "steps.a.after: there is no step 'b' (did you"),
        ({"a": {**STEP, "on_error": "x"}}, "steps.a.on_error: there is no step 'x' (allowed: noth"),
        ({"a": {**STEP, "after": "a"}}, "steps.a.after: cycles are not supported: a → a"),
        ({}, "spec.graph.steps: there are no steps"),
        ({"a": 5}, "spec.graph.steps.a: expected a mapping, found a whole number"),
        ({"a": {**STEP, "before": ["b"]}}, "spec.graph.steps.a.before: unknown field"),
        (
            {"a": STEP, "b": {**STEP, "after": "a", "on_error": "a"}},
            "spec.graph.steps: there is no start step: each comes after another one, or handle",
        ),
        (
            {"a": {**STEP, "on_error": "b"}, "b": {**STEP, "after": "a"}},
            "steps.a.on_error: 'b' is part of the flow, it comes after a (an error handler stands",
        ),
        (
            {"a": STEP, "b": {**STEP, "kind": "error_step"}},
            "steps.b.kind: no step names this error handler (write on_error: b in the step whose",
        ),
        (
            {
                "a": {**STEP, "on_error": "b"},
                "b": {**STEP, "on_error": "c"},
                "c": {**STEP, "on_error": "b"},
            },
            "steps.b.on_error: 'b' would handle an error of its own",
        ),
        (
            {"a": {**STEP, "responder": True}, "b": {**STEP, "after": "a"}},
            "steps.a.responder: b is the last step (the last step answers: leave it out here)",
        ),
        (
            {"a": STEP, "b": {**STEP, "after": "c"}, "c": {**STEP, "after": "b"}},
            "steps.b.after: cycles are not supported: b → c → b",
        ),
        ({"a": {**STEP, "after": "b"}, "b": {**STEP, "after": "a"}}, "cycles are not supported: a"),
    ],
)
def test_errors_name_step_and_field(steps: dict[str, Any], message: str) -> None:
    text = refusal(declared(steps))
    assert text.startswith("graph.yaml: ")
    assert message in text


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"kind": "job"}, "kind: expected serving, found 'job'"),
        ({"kind": "serving", "metadata": {"name": "g"}}, "spec: is missing"),
        ({**declared({"a": STEP}), "metadata": {}}, "metadata.name: is missing"),
        (declared({"a": STEP}, parameter={}), "spec.parameter: unknown field (did you mean 'param"),
        (declared({"a": STEP}, load_mode="lazy"), "spec.load_mode: unknown value 'lazy'"),
        (
            declared({"a": STEP}, secret_sources=[{"kind": "x"}]),
            "secret_sources[0].kind: unkn",
        ),
        (
            declared({"a": STEP}, secret_sources=[{"kind": "env"}]),
            "secret_sources[0].source: is",
        ),
        ({**declared({"a": STEP}), "specs": 1}, "specs: unknown field (did you mean 'spec'?"),
        ([1], "expected a mapping, found a list"),
    ],
)
def test_errors_name_the_field(data: Any, message: str) -> None:
    assert message in refusal(data)


def test_an_unknown_field_hints_at_none_that_is_refused() -> None:
    text = refusal(declared({"a": {**STEP, "rout": 1}}))
    assert "routes" not in text
    assert "input_path" in text


def test_what_asks_for_nothing_is_not_refused() -> None:
    data = declared({"a": {**STEP, "function": None, "routes": {}}}, streaming=False, models=None)
    assert GraphSpec.parse(data, "graph.yaml").notices == ()


HANDED_OVER: dict[str, Any] = {
    "function_name": "tiny", "function_tag": None, "function_uri": "demo/tiny", "project": "demo",
    "function_hash": None, "version": "v2", "parameters": {"p": 1}, "load_mode": None,
    "functions": {}, "graph_initializer": None, "error_stream": None, "track_models": None,
    "default_content_type": None, "model_endpoint_creation_task_name": None, "streaming": None,
    "filename": None,
    "graph": {
        "steps": {"a": {"class_name": "x.Y", "kind": "task"}}, "engine": "sync",
        "model_endpoints_routes_names": ["a"], "allow_cyclic": False,
    },
}  # fmt: skip


def test_handed_over() -> None:
    text = json.dumps(HANDED_OVER)
    spec = GraphSpec.handed_over(text)
    assert (spec.name, spec.project, spec.file) == ("tiny", "demo", "SERVING_SPEC_ENV")
    assert (spec.parameters, spec.load_mode, spec.notices) == ({"p": 1}, "sync", ())
    packed = base64.b64encode(gzip.compress(text.encode())).decode()
    assert GraphSpec.handed_over(packed) == spec


def test_handed_over_by_an_older_mlrun_names_the_graph_in_its_uri() -> None:
    data = {"function_uri": "demo/tiny:latest", "graph": HANDED_OVER["graph"]}
    spec = GraphSpec.handed_over(json.dumps(data))
    assert (spec.name, spec.project) == ("tiny", "demo")


@pytest.mark.parametrize("text", ["", "{", "H4sIAAAA", base64.b64encode(b"x").decode()])
def test_what_is_no_specification(text: str) -> None:
    with pytest.raises(DeclarationError, match="SERVING_SPEC_ENV: not a serving specification"):
        GraphSpec.handed_over(text)


def test_a_newer_version_is_refused_by_name() -> None:
    with pytest.raises(DeclarationError, match="version: unknown version 'v3'"):
        GraphSpec.handed_over(json.dumps({**HANDED_OVER, "version": "v3"}))


def test_what_does_nothing_here_is_noticed() -> None:
    steps = {
        "a": {**STEP, "function": "child", "new_in_mlrun": 1},
        "b": {**STEP, "after": "a", "function": "*"},
    }
    graph = {"steps": steps, "track_models": True, "newer": [], "newest": 1}
    data = {"function_uri": "p/f", "track_models": True, "graph": graph}
    notices = GraphSpec.handed_over(json.dumps(data)).notices
    assert [notice.split(": ")[1] for notice in notices] == [
        "track_models", "graph.track_models", "graph.steps.a.function",
        "graph.steps.a.new_in_mlrun", "graph.newest",
    ]  # fmt: skip
    assert "runs here, not in the function 'child'" in notices[2]


def test_notices_are_logged() -> None:
    lines: list[str] = []

    class Log:
        warn = lines.append

    class Nuclio:
        logger = Log

    from sluice.graph import Context

    data = {"function_uri": "p/f", "graph": {"steps": {"a": {**STEP, "new": 1}}}}
    spec = GraphSpec.handed_over(json.dumps(data))
    Graph(spec, context=Context(spec, nuclio=Nuclio))
    assert lines == ["SERVING_SPEC_ENV: graph.steps.a.new: unknown field, it does nothing"]
