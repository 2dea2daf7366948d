"""The graphs of the project on a thousand real flights: one answer, whoever runs graph.yaml.

Ours in process and over the HTTP surface; MLRun's production handler with both of its engines,
given the specification that MLRun makes of project.yaml; and MLRun's mock server. Equal means
equal: no number is rounded.
"""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import nuclio_sdk
import pytest

from sluice.errors import RequestError
from sluice.project import Project
from sluice.protocol.surface import Surface
from sluice.service import Service
from sluice.workflow import run_job

from .engine_runs import Silent

pytestmark = pytest.mark.filterwarnings(
    "ignore:::mlrun", "ignore:::storey", "ignore::FutureWarning"
)
COUNT = 1000
Ask = Callable[[list[Any]], list["Outcome"]]


class Outcome(NamedTuple):
    """A reply without its id, or an error's text."""

    reply: dict[str, Any] | None = None
    error: str = ""


@pytest.fixture(scope="module")
def records(flights: Path) -> list[Any]:
    """A thousand flights of April as callers send them; one in ten is odd, half of those bad."""
    from serving_graphs.flight_delay import sources

    table = sources.requests("2013-04-01", "2013-05-01").sample(COUNT, random_state=4)
    plain: list[Any] = json.loads(table[sources.RECORD].to_json(orient="records"))
    for place, odd in enumerate(range(0, COUNT, 10)):
        plain[odd] = ODD[place % len(ODD)](plain[odd])
    return plain


ODD: list[Callable[[dict[str, Any]], Any]] = [
    lambda record: {**record, "carrier": "??"},
    lambda record: {**record, "tailnum": None, "dest": "NOWHERE"},
    lambda record: {**record, "time_hour": "2019-04-01T09:00:00Z"},
    lambda record: {**record, "sched_dep_time": "soon"},
    lambda record: {name: value for name, value in record.items() if name != "origin"},
    lambda record: record["flight"],
]


@pytest.fixture(scope="module")
def arrivals(flights: Path) -> Path:
    """The project with a champion of arrival-delay too, trained on ten days."""
    project, graph = Project.read(flights), "arrival-delay"
    window = {"start": "2013-01-01", "end": "2013-01-11"}
    run_job(project, "materialise", graph=graph)
    best = run_job(project, "train", graph=graph, window=window)["best"]
    run_job(project, "promote", graph=graph, version=best)
    return flights


@pytest.fixture(scope="module")
def mlrun_project(flights: Path) -> Iterator[Any]:
    """project.yaml as MLRun loads it, with no API server to look for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLRUN_DBPATH", "")
        import mlrun

        yield mlrun.load_project(str(flights), save=False)


def in_process(service: Service) -> Ask:
    def ask(body: Any) -> Outcome:
        from sluice.message import Message

        try:
            return Outcome(service.run(Message.of(body)))
        except RequestError as error:
            return Outcome(error=str(error))

    return lambda bodies: [ask(copy.deepcopy(body)) for body in bodies]


def surface(service: Service) -> Ask:
    made = Surface(service)

    def ask(body: Any) -> Outcome:
        answer = made.answer(nuclio_sdk.Event(body=json.dumps(body), path="/", method="POST"))
        reply = json.loads(answer.body)
        assert answer.status == (422 if "error" in reply else 200)
        return Outcome(error=reply["error"]) if "error" in reply else Outcome(_plain(reply))

    return lambda bodies: [ask(body) for body in bodies]


def _plain(reply: dict[str, Any]) -> dict[str, Any]:
    """A reply without what the surface adds, or names otherwise, for MLRun's clients."""
    reply.pop("timestamp", None)
    names = {"model_name": "model", "model_version": "version"}
    return {names.get(name, name): value for name, value in reply.items()}


def with_engine(function: Any, engine: str) -> Any:
    """The function, its graph run by another engine of MLRun."""
    function.spec.graph.engine = engine
    return function


def production(function: Any, engine: str) -> Ask:
    """MLRun's handler as it runs in Nuclio, given what MLRun hands over of a function."""
    spec = with_engine(function, engine).serving_spec

    def ask(bodies: list[Any]) -> list[Outcome]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SERVING_SPEC_ENV", spec)
            return asyncio.run(_production(bodies))

    return ask


async def _production(bodies: list[Any]) -> list[Outcome]:
    from mlrun.serving import server

    context = nuclio_sdk.Context(logger=Silent())
    server.v2_serving_init(context, {})
    outcomes = []
    for body in bodies:
        reply = context.mlrun_handler(context, server.MockEvent(json.dumps(body), method="POST"))
        reply = await reply if asyncio.iscoroutine(reply) else reply
        outcomes.append(_outcome(reply.status_code, reply.body))
    done = context._server.wait_for_completion()
    if asyncio.iscoroutine(done):
        await done
    return outcomes


def _outcome(status: int, body: str) -> Outcome:
    if status == 200:
        return Outcome(json.loads(body))
    kind, _, text = body.partition(": ")
    assert (status, kind) == (400, "RecordError")
    return Outcome(error=text)


def mock(server: Any) -> Ask:
    """MLRun's mock server; it hands the reply over as it is."""

    def ask(body: Any) -> Outcome:
        reply = server.test("/", json.dumps(body), silent=True)
        return Outcome(reply) if isinstance(reply, dict) else _outcome(400, reply.body)

    return lambda bodies: [ask(body) for body in bodies]


def handed_over(function: Any) -> Service:
    """Ours, given what MLRun hands over of a function."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERVING_SPEC_ENV", function.serving_spec)
        return Service.open(Project.find())


@pytest.fixture(scope="module", params=["flight-delay", "arrival-delay"])
def ways(request: Any, arrivals: Path, mlrun_project: Any) -> Iterator[dict[str, Ask]]:
    """Every way to run a graph; the first is what the others are compared with."""
    graph = request.param

    def function() -> Any:
        return copy.deepcopy(mlrun_project.get_function(graph))

    mocks = [with_engine(function(), e).to_mock_server(namespace={}) for e in ("sync", "async")]
    with Service.open(Project.read(arrivals), graph) as service, handed_over(function()) as given:
        yield {
            "in process": in_process(service),
            "surface": surface(service),
            "handed over": in_process(given),
            "MLRun sync": production(function(), "sync"),
            "MLRun async": production(function(), "async"),
            "MLRun mock, sync": mock(mocks[0]),
            "MLRun mock, async": mock(mocks[1]),
        }
    for server in mocks:
        server.wait_for_completion()


def answers(ways: dict[str, Ask], bodies: list[Any]) -> list[Outcome]:
    """What each way answers to the bodies; all say the same, apart from ids that they give."""
    wanted: list[Outcome] = []
    for way, ask in ways.items():
        got = ask(bodies)
        for body, outcome in zip(bodies, got, strict=True):
            if outcome.reply and not (isinstance(body, dict) and "id" in body):
                assert outcome.reply.pop("id")
        wanted = wanted or got
        assert got == wanted, way
    return wanted


def is_bad(record: Any) -> bool:
    return not (
        isinstance(record, dict) and "origin" in record and record["sched_dep_time"] != "soon"
    )


def test_as_one_list(ways: dict[str, Ask], records: list[Any]) -> None:
    named, plain = answers(ways, [{"id": "april", "inputs": records}, records])
    assert named.reply
    assert plain.reply
    assert named.reply.pop("id") == "april"
    assert named.reply == plain.reply
    outputs = plain.reply["outputs"]
    assert ["error" in output for output in outputs] == [is_bad(r) for r in records]
    assert any("carrier" in output.get("defaults", {}) for output in outputs)


def test_one_by_one(ways: dict[str, Ask], records: list[Any]) -> None:
    good = [record for record in records if not is_bad(record)]
    listed = answers(ways, [good])[0].reply
    assert listed
    for outcome, output in zip(answers(ways, good), listed["outputs"], strict=True):
        assert outcome.reply
        assert outcome.reply["outputs"] == [output]


def test_a_bad_record_alone(ways: dict[str, Ask], records: list[Any]) -> None:
    """MLRun says 400 with our error's name and text, our surface 422 with the text."""
    bad = [record for record in records if is_bad(record) and isinstance(record, dict)]
    listed = answers(ways, [bad])[0].reply
    assert listed
    errors = [outcome.error for outcome in answers(ways, bad)]
    assert errors == [output["error"] for output in listed["outputs"]]


def test_with_ids(ways: dict[str, Ask], records: list[Any]) -> None:
    bodies = [{"id": f"request {i}", "inputs": [r]} for i, r in enumerate(records[:100])]
    for body, outcome in zip(bodies, answers(ways, bodies), strict=True):
        assert outcome.reply
        assert outcome.reply["id"] == body["id"]
