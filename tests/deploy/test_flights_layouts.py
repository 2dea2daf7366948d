"""The same flights by one function over HTTP, by five over HTTP, by five with topics between."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sluice.deploy.local import LocalOptions, deploy_local
from sluice.deploy.probe import over_http
from sluice.deploy.rollout import Plan
from sluice.project import Project
from sluice.streaming.open import opened
from sluice.streaming.topics import Topics
from sluice.streams import Message, open_stream
from tests.streaming.shop import read
from tests.streaming.test_steps import STEPS
from tests.streams.fakes import FakeClock

GRAPH, COUNT = "flight-delay", 150
PLAN = Plan((100,), hold_s=0.1, start_s=120.0)
Answers = dict[str, Any]


@pytest.fixture(scope="module")
def bodies(flights: Path) -> list[Any]:
    """Flights of April, of which some are odd or bad, and lists of them; each with an id."""
    from serving_graphs.flight_delay import sources

    table = sources.requests("2013-04-01", "2013-05-01").sample(COUNT, random_state=6)
    records: list[Any] = json.loads(table[sources.RECORD].to_json(orient="records"))
    records[3]["carrier"], records[7]["origin"] = "??", 7
    lists = [records[i : i + 3] for i in range(0, COUNT, 3)]
    return [{"id": f"r{i}", "inputs": inputs} for i, inputs in enumerate(lists)]


def by_http(project: Project, bodies: list[Any], layout: str) -> Answers:
    with deploy_local(project, GRAPH, LocalOptions(layout, workers=1, port=0), PLAN) as deployment:
        ask, kind = over_http(deployment.url), {"Content-Type": "application/json"}
        said = [ask("POST", "/", json.dumps(body).encode(), kind) for body in bodies]
    assert {s.status for s in said} == {200}
    return kept([json.loads(s.body) for s in said])


def by_topics(project: Project, bodies: list[Any], url: str) -> Answers:
    stream = open_stream(url)
    prefix = f"{project.name}.{GRAPH}"
    requests = [Message(json.dumps(body).encode()) for body in bodies]
    stream.producer(durable=False).produce_many(f"{prefix}.requests", requests)
    for step in STEPS:
        with opened(project, GRAPH, url, step=step, clock=FakeClock()) as (worker, drained, _):
            worker.run(drained)
    answers = kept([json.loads(r.value) for r in read(stream, f"{prefix}.predictions")])
    stream.close()
    return answers


def kept(replies: list[Any]) -> Answers:
    """By id, what does not tell the time of day."""
    return {reply.pop("id"): {**reply, "timestamp": None} for reply in replies}


def test_all_answer_the_same(flights: Path, state: Path, tmp_path: Path, bodies: list[Any]) -> None:
    project = Project.read(flights)
    project = replace(project, settings=replace(project.settings, state=str(state)))
    fused = by_http(project, bodies, "fused")
    assert len(fused) == len(bodies)
    assert sum("error" in output for r in fused.values() for output in r["outputs"]) == 1
    ways: dict[str, Callable[[], Answers]] = {
        "five over HTTP": lambda: by_http(project, bodies, "steps"),
        "five by topics": lambda: by_topics(project, bodies, str(tmp_path / "stream.log")),
    }
    for way, answers in ways.items():
        assert answers() == fused, way


def test_topics_are_named_by_project_graph_and_step(flights: Path) -> None:
    from sluice.parameters import StreamParameters
    from sluice.streaming.stages import stages

    topics = Topics.of(Project.read(flights).name, GRAPH, StreamParameters())
    given = [stage.given for stage in stages(topics, STEPS)]
    assert given == [f"sluice.flight-delay.{s}" for s in (*STEPS[1:], "predictions")]
