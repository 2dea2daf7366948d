"""Graphs and what comes out of them, the same under MLRun's engines and ours.

Where MLRun's asynchronous engine answers otherwise, a row says what.
"""

from __future__ import annotations

from .engine_row import SECRETS, Row, error, function, last, ok, step

NOT_A_BODY = error(AttributeError)
ROWS = [
    Row("one step", {"a": last("Add")}, 1, ok(2)),
    Row(
        "class_args, after, any order",
        {"c": last("Wrap", "b"), "b": step("Add", "a", class_args={"by": 5}), "a": step("Add")},
        1,
        ok({"wrapped": 7}),
    ),
    Row("kind task", {"a": last("Add", kind="task", comment="one more", shape="box")}, 1, ok(2)),
    Row("no responder", {"a": step("Add")}, 1, ok(2), asynchronous=ok({"id": "e1"})),
    Row("after as text", {"a": step("Add"), "b": {**last("Add"), "after": "a"}}, 1, ok(3)),
    Row(
        "construction",
        {"a": last("Construction", class_args={"own": [1]}, input_path="x")},
        {"x": 1},
        ok(
            {
                "name": "a",
                "own": [1],
                "param": 3,
                "full_event": None,
                "input_path": "x",
                "result_path": None,
                "step": "a",
                "mode": "async",
                "strategy": "skip",
                "endpoint": 1,
                "loaded": ["creation_strategy", "endpoint_type"],
                "injected": ["full_event", "graph_step", "input_path", "result_path"],
            }
        ),
        spec={"parameters": {"p": 3}, "load_mode": "async"},
    ),
    Row(
        "only what a class takes",
        {"a": last("Positional", result_path="y")},
        {"x": 1},
        ok({"x": 1, "y": {"x": 1, "shown": ["a", "y"]}}),
        spec={"load_mode": "sync"},
    ),
    Row("handler", {"a": last("Ways", handler="other")}, 1, ok("other")),
    Row("do_event before do", {"a": last("Ways")}, 1, ok("do_event")),
    Row("handler of its own full event", {"a": last("Bare", full_event=False)}, 1, NOT_A_BODY),
    Row("a function", {"a": last(handler=function("double"))}, 2, ok(4)),
    Row("a builtin function", {"a": last(handler="math.sqrt")}, 4, ok(2.0)),
    Row(
        "a function with context",
        {"a": last(handler=function("with_context"))},
        2,
        ok([2, "here"]),
        spec={"parameters": {"p": "here"}},
    ),
    Row(
        "full_event",
        {"a": last("ShowEvent", full_event=True)},
        1,
        ok({"id": "e1", "path": "/", "method": "POST", "content_type": "", "body": "1"}),
    ),
    Row(
        "full_event, last, bare value",
        {"a": last("Bare", full_event=True)},
        1,
        ok({"bare": 1}),
        asynchronous=NOT_A_BODY,
    ),
    Row(
        "full_event, not last, bare value",
        {"a": step("Bare", full_event=True), "b": last("Add", "a")},
        1,
        NOT_A_BODY,
    ),
    Row("input_path", {"a": last("Wrap", input_path="x.y")}, {"x": {"y": 1}}, ok({"wrapped": 1})),
    Row(
        "input_path, nothing there",
        {"a": last("Wrap", input_path="x.y")},
        {"z": 1},
        ok({"wrapped": None}),
    ),
    Row(
        "input_path, null there",
        {"a": last("Wrap", input_path="x.y")},
        {"x": None},
        ok({"wrapped": None}),
    ),
    Row(
        "input_path through a value",
        {"a": last("Wrap", input_path="x.y")},
        {"x": 5},
        ok({"wrapped": None}),
        asynchronous=error(TypeError),
    ),
    Row("input_path in a number", {"a": last("Wrap", input_path="x")}, 5, error(TypeError)),
    Row("input_path without a body", {"a": last("Wrap", input_path="x")}, None, error(TypeError)),
    Row("input_path in a list", {"a": last("Wrap", input_path="x")}, [1], ok({"wrapped": None})),
    Row(
        "result_path",
        {"a": last("Give", class_args={"value": 5}, result_path="y")},
        {"x": 1},
        ok({"x": 1, "y": 5}),
    ),
    Row(
        "result_path, deep",
        {"a": last("Give", class_args={"value": 5}, result_path="y.z")},
        {"x": 1},
        ok({"x": 1, "y": {"z": 5}}),
    ),
    Row(
        "result_path, replacing",
        {"a": last("Give", class_args={"value": 5}, result_path="y")},
        {"y": 1},
        ok({"y": 5}),
    ),
    Row(
        "result_path, a key with dots",
        {"a": last("Give", class_args={"value": 5}, result_path="\\y.z\\")},
        {"x": 1},
        ok({"x": 1, "y.z": 5}),
        asynchronous=ok({"x": 1, "\\y": {"z\\": 5}}),
    ),
    Row(
        "result_path on an empty body",
        {"a": last("Give", class_args={"value": 5}, result_path="y")},
        {},
        ok(5),
        asynchronous=ok({"y": 5}),
    ),
    Row(
        "result_path without a body",
        {"a": last("Give", class_args={"value": 5}, result_path="y")},
        None,
        ok(5),
        asynchronous=error(TypeError),
    ),
    Row("result_path on a number", {"a": last("Give", result_path="y")}, 5, error(TypeError)),
    Row("result_path on a list", {"a": last("Give", result_path="y")}, [1], error(TypeError)),
    Row(
        "result_path through a value",
        {"a": last("Give", result_path="x.y")},
        {"x": 5},
        error(TypeError),
    ),
    Row(
        "input_path and result_path",
        {"a": step("Add", input_path="x", result_path="y"), "b": last("Wrap", "a")},
        {"x": 1},
        ok({"wrapped": {"x": 1, "y": 2}}),
    ),
    Row(
        "terminated",
        {"a": step("End", full_event=True), "b": last("Wrap", "a")},
        1,
        ok("ended"),
        asynchronous=ok({"wrapped": "ended"}),
    ),
    Row("a Response", {"a": last("Reply")}, 1, ("response", 418, "got 1", "text/x")),
    Row(
        "a Response to the full event",
        {"a": last("ReplyToEvent", full_event=True)},
        1,
        ("response", 418, "got 1", "text/x"),
        asynchronous=("crash", "AttributeError"),
    ),
    Row(
        "a Response is a body to the next step",
        {"a": step("Reply"), "b": last("Give", "a", class_args={"value": "next"})},
        1,
        ok("next"),
    ),
    Row(
        "parameters and secrets",
        {"a": last("Context")},
        1,
        ok(
            {
                "params": [1, None, 7],
                "secrets": ["5", "from env", "from kubernetes", None],
                "verbose": False,
            }
        ),
        spec={"parameters": {"p": 1}, "secret_sources": SECRETS},
    ),
    Row(
        "graph_initializer",
        {"a": last(handler=function("with_context"))},
        1,
        ok([1, "set by the initializer"]),
        spec={"graph_initializer": function("initialise"), "parameters": {"p": 1}},
    ),
    Row(
        "JSON in bytes", {"a": last("Wrap")}, b'{"a": [1, NaN]}', ok({"wrapped": {"a": [1, "NaN"]}})
    ),
    Row(
        "JSON, and says so",
        {"a": last("Wrap")},
        '"x"',
        ok({"wrapped": "x"}),
        event={"content_type": "application/json"},
    ),
    Row("not JSON, and does not say", {"a": last("Wrap")}, "{x", ok({"wrapped": "{x"})),
    Row("no body", {"a": last("Wrap")}, b"", ok({"wrapped": None})),
    Row(
        "JSON of another type",
        {"a": last("Wrap")},
        "1",
        ok({"wrapped": "1"}),
        event={"content_type": "text/csv"},
    ),
    Row(
        "default_content_type",
        {"a": last("ShowEvent", full_event=True)},
        "1",
        ok({"id": "e1", "path": "/", "method": "POST", "content_type": "text/csv", "body": "'1'"}),
        spec={"default_content_type": "text/csv"},
    ),
    Row(
        "headers for id and path",
        {"a": last("ShowEvent", full_event=True)},
        1,
        ok({"id": "e9", "path": "/p", "method": "POST", "content_type": "", "body": "1"}),
        event={"headers": {"MLRUN-EVENT-ID": "e9", "MLRUN-EVENT-PATH": "/p"}},
    ),
    *(
        Row(f"answer {value!r}", {"a": last("Give", class_args={"value": value})}, 1, ok(value))
        for value in (None, {}, [], 0, 1, "", "text", True, 1.5, [1, "é"], {"a": None})
    ),
]
