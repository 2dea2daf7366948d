"""Running a graph: what steps get, what comes out, what happens to errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.errors import DeclarationError, RecordError, RequestError
from sluice.graph import Context, Event, Graph, GraphSpec, Response
from sluice.graph.topic import ErrorTopic
from sluice.step import Step


class Same:
    def do(self, body: Any) -> Any:
        return body


class Fail:
    def __init__(self, error: Exception | None = None) -> None:
        self.error = error or ValueError("bad")

    def do(self, body: Any) -> Any:
        raise self.error


class Loaded(Step):
    def post_init(self, mode: str = "sync", **_: Any) -> None:
        self.mode = mode

    def do(self, body: Any) -> Any:
        return [self.name, self.mode, self.context.name, body]


class FailsToLoad:
    def post_init(self, mode: str, **_: Any) -> None:
        raise RuntimeError("no model")

    def do(self, body: Any) -> Any:
        return body


class Catch:
    def do(self, event: Any) -> Any:
        return {"error": event.error, "origin": event.origin_state}


class See:
    """Gives the event that it gets."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def do(self, event: Any) -> Any:
        self.seen.append(event)
        return event


NAMES = {cls.__name__: cls for cls in (Same, Fail, Loaded, FailsToLoad, Catch, See)}


def spec(steps: dict[str, Any], graph: dict[str, Any] | None = None, **more: Any) -> GraphSpec:
    data = {"graph": {"engine": "sync", "steps": steps, **(graph or {})}, **more}
    return GraphSpec.parse({"metadata": {"name": "g"}, "spec": data}, "graph.yaml")


def line(*classes: str, **fields: Any) -> dict[str, Any]:
    """Steps s0, s1, … one after the other."""
    return {
        f"s{i}": {"class_name": name, "after": [f"s{i - 1}"] if i else [], **fields}
        for i, name in enumerate(classes)
    }


def build(steps: dict[str, Any], **more: Any) -> Graph:
    return Graph(spec(steps, **more), namespace=NAMES)


def test_our_steps_run() -> None:
    assert build(line("Same", "Loaded"), load_mode="async").run(5) == ["s1", "async", "g", 5]


def test_a_step_of_ours_refuses_an_unknown_class_arg() -> None:
    with pytest.raises(DeclarationError) as caught:
        build({"a": {"class_name": "Loaded", "class_args": {"typo": 1}}})
    assert "graph.yaml: spec.graph.steps.a.class_args: Loaded has no class_arg typo" in str(
        caught.value
    )


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({"class_name": "no.such.Thing"}, "steps.a.class_name: cannot import 'no.such.Thing'"),
        ({"class_name": "Smae"}, "steps.a.class_name: 'Smae' is not a dotted path"),
        ({"class_name": "sluice.step.Stop"}, "class_name: sluice.step has no 'Stop' (did you mean"),
        ({"handler": "math.sqr"}, "steps.a.handler: math has no 'sqr' (did you mean 'sqrt'?"),
        ({"class_name": "Same", "handler": "doo"}, "steps.a.handler: Same has no method 'doo' (di"),
        ({"class_name": "Same", "class_args": {"x": 1}}, "steps.a.class_args: Same() takes no arg"),
    ],
)
def test_a_step_that_cannot_be_made(step: dict[str, Any], message: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        build({"a": step})
    assert message in str(caught.value)


def test_an_error_while_loading_names_the_step() -> None:
    with pytest.raises(RuntimeError, match="no model") as caught:
        build(line("Same", "FailsToLoad"))
    assert caught.value.__notes__ == ["in step 's1'"]


def test_steps_are_found_in_the_project(tmp_path: Path) -> None:
    (tmp_path / "steps_of_a_project.py").write_text("def twice(body):\n    return body * 2\n")
    steps = {"a": {"handler": "steps_of_a_project.twice"}}
    assert Graph(spec(steps), root=tmp_path).run(2) == 4


@pytest.mark.parametrize("fields", [{}, {"result_path": "y"}])
def test_an_error_passes_on_as_it_is_with_its_step(fields: dict[str, Any]) -> None:
    error = RecordError("origin", "unknown airport", 3)
    steps = line("Same", "Fail", "Same", **fields)
    steps["s1"]["class_args"] = {"error": error}
    with pytest.raises(RecordError) as caught:
        build(steps).run({"x": 1})
    assert caught.value is error
    assert vars(error)["failed_step"] == "s1"
    assert error.__notes__ == ["in step 's1'"]


def test_an_event_is_made_only_where_a_step_needs_it() -> None:
    graph = build(line("Same", "See", full_event=True))
    assert graph.run(5) == 5
    event = Event(id="e1", headers={"a": "b"})
    assert graph.run(6, event=event) == 6
    assert event.body == 6


def test_what_an_earlier_request_left_in_an_event_is_cleared() -> None:
    graph = build(line("Same", "Same", full_event=True))
    event = Event(error={"s0": "old"}, origin_state="s0", terminated=True)
    assert graph.run(1, event=event) == 1
    assert (event.error, event.origin_state, event.terminated) == (None, None, False)


def test_a_handled_error_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    steps = {"a": {"class_name": "Fail", "on_error": "c"}}
    steps["c"] = {"kind": "error_step", "class_name": "Catch", "full_event": True}  # type: ignore[dict-item]
    assert build(steps).run(1) == {"error": {"a": "bad"}, "origin": "a"}
    assert "step a of g, handled: Traceback" in caplog.text
    assert "ValueError: bad" in caplog.text


def test_the_graphs_own_error_handler_is_told_the_step() -> None:
    steps = line("Same", "Fail", "Same")
    steps["c"] = {"kind": "error_step", "class_name": "Catch", "full_event": True}
    graph = build(steps, graph={"on_error": "c"})
    assert graph.run(1) == {"error": {"s1": "bad"}, "origin": "s1"}


def test_an_error_of_the_graphs_own_error_handler() -> None:
    steps = {**line("Fail"), "c": {"kind": "error_step", "class_name": "Fail"}}
    steps["c"]["class_args"] = {"error": LookupError("worse")}
    with pytest.raises(LookupError, match="worse") as caught:
        build(steps, graph={"on_error": "c"}).run(1)
    assert caught.value.__notes__ == ["in step 'c'"]
    assert isinstance(caught.value.__context__, ValueError)


def test_a_response_is_the_result() -> None:
    graph = build({"a": {"handler": "sluice.graph.Response"}})
    result = graph.run({"x": "y"})
    assert isinstance(result, Response)
    assert result.headers == {"x": "y"}


def test_handle_names_the_event_by_its_headers() -> None:
    see = See()
    graph = Graph(spec({"a": {"handler": "see", "full_event": True}}), namespace={"see": see.do})
    for headers in ({"MLRUN-EVENT-ID": "e", "MLRUN-EVENT-PATH": "/p"}, {"mlrun-event-id": "e"}):
        graph.handle(Event(b"1", id="other", path="/", headers=headers))
    assert [(event.id, event.path) for event in see.seen] == [("e", "/p"), ("e", "/")]


class Pushed:
    """An error stream that keeps what it is given."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []
        self.path = ""

    def open(self, path: str) -> Pushed:
        self.path = path
        return self

    def push(self, data: dict[str, Any]) -> None:
        self.entries.append(data)


def with_errors(steps: dict[str, Any], stream: Any) -> Graph:
    declared = spec(steps, error_stream="oops")
    context = Context(declared, open_stream=stream.open)
    return Graph(declared, context=context, namespace=NAMES)


@pytest.mark.parametrize("fields", [{}, {"result_path": "y"}])
def test_an_error_is_put_on_the_error_stream(fields: dict[str, Any]) -> None:
    stream = Pushed()
    with pytest.raises(ValueError, match="bad"):
        with_errors(line("Same", "Fail", **fields), stream).run({}, event=Event(id="e1"))
    assert stream.path == "oops"
    [entry] = stream.entries
    assert (entry["source"], entry["message"]) == ("_handler", "ValueError: bad")
    assert (entry["function_uri"], entry["format"], entry["event"]["id"]) == ("/g", 1, "e1")


def test_a_handled_error_is_put_on_the_error_stream() -> None:
    stream = Pushed()
    steps = {"a": {"class_name": "Fail", "on_error": "c"}, "c": {"class_name": "Same"}}
    assert with_errors(steps, stream).run(1) == 1
    [entry] = stream.entries
    assert entry["source"] == "a"
    assert entry["message"].startswith("bad\nTraceback")


def test_a_body_that_is_not_json_is_put_on_the_error_stream() -> None:
    stream = Pushed()
    with pytest.raises(RequestError, match="the body is not JSON"):
        with_errors(line("Same"), stream).handle(Event("{", content_type="json"))
    assert [entry["source"] for entry in stream.entries] == ["_handler"]


class Broken:
    def open(self, path: str) -> Broken:
        return self

    def push(self, data: Any) -> None:
        raise OSError("stream is down")


def test_an_error_stream_that_is_down_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ValueError, match="bad"):
        with_errors(line("Fail"), Broken()).run(1)
    assert (
        "error stream of g: OSError('stream is down'); not pushed: ValueError: bad" in caplog.text
    )


def test_an_error_stream_that_nothing_opens_is_refused() -> None:
    with pytest.raises(DeclarationError, match="error_stream: nothing opens streams here"):
        build(line("Same"), error_stream="oops")


def test_errors_on_a_topic() -> None:
    sent: list[tuple[Any, ...]] = []

    class Producer:
        def produce(self, topic: str, value: bytes, key: str | None = None) -> None:
            sent.append((topic, json.loads(value), key))

        def open(self, path: str) -> ErrorTopic:
            return ErrorTopic(self, path)  # type: ignore[arg-type]

    with pytest.raises(ValueError, match="bad"):
        with_errors(line("Fail"), Producer()).run(Same, event=Event(Same, id="e1"))
    [(topic, entry, key)] = sent
    assert (topic, key, entry["event"]["body"]) == ("oops", "e1", repr(Same))


@given(st.lists(st.sampled_from([1, 2, 3]), min_size=1, max_size=8), st.randoms())
def test_steps_run_in_the_order_of_after(adds: list[int], random: Any) -> None:
    steps = {
        f"s{i}": {"handler": f"add{n}", "after": [f"s{i - 1}"] if i else []}
        for i, n in enumerate(adds)
    }
    names = list(steps)
    random.shuffle(names)
    functions = {f"add{n}": (lambda body, n=n: [*body, n]) for n in (1, 2, 3)}
    graph = Graph(spec({name: steps[name] for name in names}), namespace=functions)
    assert graph.run([]) == adds
