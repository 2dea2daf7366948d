"""The same graphs under MLRun's production handler, with both of its engines, and under ours.

MLRun runs as it does in Nuclio: v2_serving_init and v2_serving_handler with SERVING_SPEC_ENV set.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator
from typing import Any

import nuclio_sdk
import pytest

from sluice.errors import RequestError
from sluice.graph import Context, Event, Graph, GraphSpec

from .engine_error_rows import ERROR_ROWS
from .engine_row import ENVIRON, Row, catch, error, last, ok, step
from .engine_rows import ROWS
from .engine_runs import event, expect, load, under_mlrun, under_ours

pytestmark = pytest.mark.filterwarnings(
    "ignore:::mlrun", "ignore:::storey", "ignore::FutureWarning"
)


@pytest.fixture(scope="module")
def serving() -> Iterator[Any]:
    """MLRun's server module, imported once, with no API server to look for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLRUN_DBPATH", "")
        for name, value in ENVIRON.items():
            patch.setenv(name, value)
        from mlrun.serving import server

        yield server


def named(row: Row) -> str:
    return row.id.replace(" ", "-")


@pytest.mark.parametrize("row", ROWS + ERROR_ROWS, ids=named)
class TestHonoured:
    def test_ours(self, row: Row) -> None:
        expect(under_ours(row, event(row, Event)), row.want)

    def test_ours_with_engine_async(self, row: Row) -> None:
        expect(under_ours(row, event(row, Event), "async"), row.want)

    def test_ours_with_an_event_of_nuclio(self, row: Row) -> None:
        expect(under_ours(row, event(row, nuclio_sdk.Event)), row.want)

    def test_mlrun_sync(self, row: Row, serving: Any) -> None:
        expect(under_mlrun(serving, row, "sync", event(row, serving.MockEvent)), row.want)

    def test_mlrun_async(self, row: Row, serving: Any) -> None:
        want = row.asynchronous or row.want
        expect(under_mlrun(serving, row, "async", event(row, serving.MockEvent)), want)


HANDLED = Row("handled", {"a": last("Raise", on_error="c"), "c": catch("Catch")}, 1, ok(None))


class TestBetter:
    """Where MLRun's synchronous engine fails, ours does what was meant."""

    def test_on_error_with_an_event_of_nuclio(self, serving: Any) -> None:
        lost = under_mlrun(serving, HANDLED, "sync", event(HANDLED, nuclio_sdk.Event))
        expect(lost, error(AttributeError, "'Event' object has no attribute 'error'"))
        got = under_ours(HANDLED, event(HANDLED, nuclio_sdk.Event))
        assert got == ok({"error": {"a": "bad"}, "origin": "a", "body": 1})

    @pytest.mark.parametrize(("handler", "full_event"), [("CatchEvent", True), ("Wrap", False)])
    def test_on_error_with_a_handler_that_gives_an_event(
        self, serving: Any, handler: str, full_event: bool
    ) -> None:
        steps = {"a": last("Raise", on_error="c"), "c": catch(handler, full_event=full_event)}
        row = Row("", steps, 1, ok(None))
        stock = under_mlrun(serving, row, "sync", event(row, serving.MockEvent))
        assert stock == ("crash", "TypeError")
        asynchronous = under_mlrun(serving, row, "async", event(row, serving.MockEvent))
        assert under_ours(row, event(row, Event)) == asynchronous
        assert asynchronous[0] == "ok"

    def test_on_error_of_an_error_handler(self, serving: Any) -> None:
        steps = {
            "a": last("Raise", on_error="c"),
            "c": catch("RaiseFrom", on_error="d"),
            "d": catch("Give", class_args={"value": "last"}),
        }
        row = Row("", steps, 1, ok(None))
        stock = under_mlrun(serving, row, "sync", event(row, serving.MockEvent))
        assert stock == ("crash", "TypeError")
        assert under_ours(row, event(row, Event)) == ok("last")

    def test_a_body_that_is_not_json(self, serving: Any) -> None:
        row = Row("", {"a": last("Wrap")}, "{x", ok(None), event={"content_type": "json"})
        stock = under_mlrun(serving, row, "sync", event(row, serving.MockEvent))
        assert stock[1].startswith("failed to json decode event, Expecting property name")
        with pytest.raises(RequestError, match="the body is not JSON: Expecting property name"):
            load(row, "sync").handle(event(row, Event))

    def test_headers_in_the_case_that_nuclio_gives_them(self, serving: Any) -> None:
        headers = {"Mlrun-Event-Id": "e9"}
        steps = {"a": last("ShowEvent", full_event=True)}
        row = Row("", steps, 1, ok(None), event={"headers": headers})
        stock = under_mlrun(serving, row, "sync", event(row, serving.MockEvent))
        ours = under_ours(row, event(row, Event))
        assert (stock[1]["id"], ours[1]["id"]) == ("e1", "e9")

    def test_a_step_of_another_function_is_run_and_named(self, serving: Any) -> None:
        steps = {"a": step("Add", function="child"), "b": last("Add", "a")}
        row = Row("", steps, 1, ok(None))
        stock = under_mlrun(serving, row, "sync", event(row, serving.MockEvent))
        assert stock == ok(2)
        assert under_ours(row, event(row, Event)) == ok(3)
        notice = load(row, "sync").spec.notices[0]
        assert "graph.steps.a.function: runs here, not in the function 'child'" in notice


def test_a_packed_specification(serving: Any) -> None:
    row = ROWS[1]
    packed = base64.b64encode(gzip.compress(json.dumps(row.handed_over("sync")).encode())).decode()
    made = event(row, serving.MockEvent)
    assert under_mlrun(serving, row, "sync", made, packed) == row.want
    spec = GraphSpec.handed_over(packed)
    assert ok(Graph(spec).handle(event(row, Event))) == row.want


@pytest.mark.parametrize("engine", ["sync", "async"])
@pytest.mark.parametrize("name", ["Raise", "RaiseFrom"])
def test_errors_on_the_error_stream(serving: Any, name: str, engine: str) -> None:
    """Ours carries a format version, and the same fields otherwise; async pushes twice."""
    row = Row("", {"a": last(name)}, 1, ok(None), spec={"error_stream": "dummy://"})
    pushed: list[dict[str, Any]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serving, "get_stream_pusher", lambda path: _Stream(pushed))
        under_mlrun(serving, row, engine, event(row, serving.MockEvent))
    spec = GraphSpec.handed_over(json.dumps(row.handed_over(engine)))
    graph = Graph(spec, context=Context(spec, open_stream=lambda path: _Stream(pushed)))
    with pytest.raises((ValueError, LookupError)):
        graph.handle(event(row, Event))
    *stock, ours = pushed
    assert len(stock) == (1 if engine == "sync" else 2)
    message = stock[-1]["message"]
    if engine == "async":  # it leaves the cause out, as in its reply
        message = message.replace("outer", "outer, caused by: 'inner'")
    assert ours == {**stock[-1], "message": message, "format": 1, "worker": 0}


class _Stream:
    def __init__(self, pushed: list[dict[str, Any]]) -> None:
        self.push = pushed.append
