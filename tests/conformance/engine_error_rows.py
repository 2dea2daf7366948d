"""Rows for errors and error handlers; here MLRun's two engines differ the most."""

from __future__ import annotations

from .engine_row import Row, catch, error, last, ok, step

NOT_A_BODY = error(AttributeError)
ERROR_ROWS = [
    Row("an error", {"a": last("Raise")}, 1, error(ValueError, "bad")),
    Row(
        "an error with a cause",
        {"a": step("Add"), "b": last("RaiseFrom", "a")},
        1,
        error(LookupError, "outer, caused by: 'inner'"),
        asynchronous=error(LookupError, "outer"),
    ),
    Row(
        "on_error, full_event, bare value",
        {"a": last("Raise", on_error="c"), "c": catch("Catch")},
        1,
        ok({"error": {"a": "bad"}, "origin": "a", "body": 1}),
        asynchronous=NOT_A_BODY,
    ),
    Row(
        "on_error skips the flow and goes on behind the handler",
        {
            "a": step("Raise", on_error="c"),
            "b": last("Add", "a"),
            "c": catch("Catch"),
            "d": step("Wrap", "c"),
        },
        1,
        ok({"wrapped": {"error": {"a": "bad"}, "origin": "a", "body": 1}}),
        asynchronous=NOT_A_BODY,
    ),
    Row(
        "on_error, before",
        {
            "a": last("Raise", on_error="c"),
            "d": step("Wrap"),
            "c": catch("Catch") | {"before": ["d"]},
        },
        1,
        ok({"wrapped": {"error": {"a": "bad"}, "origin": "a", "body": 1}}),
        asynchronous=NOT_A_BODY,
    ),
    Row(
        "on_error, a task as handler",
        {"a": last("Raise", on_error="c"), "c": step("Catch", full_event=True)},
        1,
        ok({"error": {"a": "bad"}, "origin": "a", "body": 1}),
        asynchronous=NOT_A_BODY,
    ),
    Row("on_error, no error", {"a": last("Add", on_error="c"), "c": catch("Catch")}, 1, ok(2)),
    Row(
        "on_error, terminated by the handler",
        {
            "a": step("Raise", on_error="c"),
            "b": last("Wrap", "a"),
            "c": catch("CatchAndEnd"),
            "d": step("Wrap", "c"),
        },
        1,
        ok("ended"),
        asynchronous=error(AttributeError),
    ),
    Row(
        "on_error, result_path",
        {"a": last("Raise", on_error="c", result_path="y"), "c": catch("CatchAndEnd")},
        {"x": 1},
        ok({"x": 1, "y": "ended"}),
        asynchronous=error(AttributeError),
    ),
    Row(
        "on_error, the handler fails",
        {"a": last("Raise", on_error="c"), "c": catch("RaiseFrom")},
        1,
        error(LookupError, "outer, caused by: 'inner'"),
        asynchronous=error(LookupError, "outer"),
    ),
    Row(
        "on_error of the graph",
        {"a": step("Raise"), "b": last("Add", "a"), "c": catch("Give", class_args={"value": "x"})},
        1,
        ok("x"),
        asynchronous=error(AttributeError),
        graph={"on_error": "c"},
    ),
    Row(
        "on_error of the step, then of the graph",
        {
            "a": last("Raise", on_error="c"),
            "c": catch("RaiseFrom"),
            "d": catch("Give", class_args={"value": "x"}),
        },
        1,
        ok("x"),
        asynchronous=error(LookupError),
        graph={"on_error": "d"},
    ),
]
