"""Deploying on Nuclio: what its dashboard is told, and what comes of failures half way."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sluice.deploy.dashboard import Dashboard
from sluice.deploy.nuclio import (
    NuclioDeployment,
    NuclioTarget,
    folder_of,
    put_monitor,
    roll_out,
)
from sluice.deploy.place import read_place
from sluice.deploy.rollout import Plan
from sluice.errors import DeclarationError, GateFailed, SluiceError, StoreUnavailable
from sluice.project import Project
from sluice.protocol.http import Answer
from sluice.protocol.surface import Surface
from tests.conftest import ROOT
from tests.deploy.dashboard import StandIn
from tests.deploy.test_rollout import Clock
from tests.protocol.events import Raw
from tests.tiny import Tiny

pytestmark = pytest.mark.filterwarnings("ignore")  # nuclio-jupyter's imports have some
PLAN = Plan((20, 100), hold_s=2.0)
DEPLOY = """
      deploy:
        env: {SLUICE_MODELS: "s3://bucket/models", SLUICE_FEATURES: "redis://redis:6379/0"}
        ingress: {host: shop.example.com, authentication: {kind: none}}
"""
STEPS = [f"binary-{s}" for s in ("enrich", "transform", "router", "model", "postprocess")]


@pytest.fixture
def project(shop: Tiny) -> Project:
    shop.edit(
        "graphs/binary/graph.yaml",
        "      training: tinyshop.binary",
        "      training: tinyshop.binary" + DEPLOY,
    )
    for file in (ROOT / "functions").glob("*/function.yaml"):
        folder = shop.root / "functions" / file.parent.name
        folder.mkdir(parents=True)
        shutil.copy(file, folder)
    found = shop.project
    models = str(shop.root / ".sluice" / "models")
    return replace(found, settings=replace(found.settings, models=models))


@pytest.fixture
def dashboard(shop: Tiny) -> Iterator[StandIn]:
    """Functions that are ready answer as the graph does."""
    service = shop.service("binary")
    surface = Surface(service)

    def answers(name: str, function: dict[str, Any], event: Raw) -> Answer:
        if event.path == "/metrics":
            return Answer(200, b'sluice_requests_total{graph="binary",status="200"} 100.0\n')
        return surface.answer(event)

    with StandIn(answers) as stand_in:
        yield stand_in
    service.close()


def deploy(project: Project, dashboard: StandIn, layout: str = "fused") -> NuclioDeployment:
    clock = Clock()
    found = Dashboard(dashboard.url, project.name)
    target = NuclioTarget(project, "binary", layout, found, (clock, clock.sleep))
    folder = folder_of(project, "binary")
    roll_out(target, PLAN, folder, lambda _: None, (clock, clock.sleep))
    return NuclioDeployment(project, "binary", found)


def change(project: Project) -> None:
    """Another configuration of the functions."""
    file = Path(project.root / "graphs/binary/graph.yaml")
    text = file.read_text("utf-8")
    assert "workers" not in text
    file.write_text(text.replace("      deploy:\n", "      deploy:\n        workers: 3\n"), "utf-8")


def workers(dashboard: StandIn, name: str = "binary") -> int:
    return int(dashboard.functions[name]["spec"]["triggers"]["http"]["numWorkers"])


def test_the_first_deployment(project: Project, dashboard: StandIn) -> None:
    with deploy(project, dashboard) as deployment:
        assert list(dashboard.functions) == ["binary"]
        assert dashboard.shares == [{"binary": 0}]
        assert deployment.url == "http://shop.example.com"
        told = deployment.status()
        assert (told["state"], told["functions"]) == ("ready", {"binary": "ready"})
        assert list(deployment.logs()) == ["binary: worker ready"]
    assert (dashboard.functions, dashboard.gateways) == ({}, {})
    assert deployment.status()["state"] == "stopped"


def test_a_new_version_takes_over_by_percentages(project: Project, dashboard: StandIn) -> None:
    deploy(project, dashboard)
    change(project)
    dashboard.seen.clear()
    deploy(project, dashboard)
    assert dashboard.shares[1:] == [
        {"binary": 0, "binary-canary": 20}, {"binary-canary": 0}, {"binary": 0}
    ]  # fmt: skip
    assert list(dashboard.functions) == ["binary"]
    assert workers(dashboard) == 3
    assert dashboard.seen == [
        "POST functions binary-canary", "PUT api_gateways binary", "PUT api_gateways binary",
        "PUT functions binary", "PUT api_gateways binary", "DELETE functions binary-canary",
    ]  # fmt: skip


def test_wrong_golden_answers_get_no_traffic(project: Project, dashboard: StandIn) -> None:
    deploy(project, dashboard)
    change(project)
    right = dashboard.answers

    def wrong(name: str, function: dict[str, Any], event: Raw) -> Answer:
        answer = right(name, function, event)
        if name.endswith("-canary") and event.path.endswith("/infer"):
            return answer._replace(
                body=answer.body.replace(b'"probability":0.', b'"probability":0.9')
            )
        return answer

    dashboard.answers = wrong
    with pytest.raises(
        GateFailed, match=r"binary: version 2: .*; function binary goes on as before"
    ):
        deploy(project, dashboard)
    assert list(dashboard.functions) == ["binary"]
    assert dashboard.shares[1:] == [{"binary": 0}]
    assert workers(dashboard) == 2


@pytest.mark.parametrize("failing", ["binary-enrich", "binary-model", "binary-postprocess"])
def test_a_partial_failure_of_five_functions_leaves_nothing_new(
    project: Project, dashboard: StandIn, failing: str
) -> None:
    deploy(project, dashboard, "steps")
    assert sorted(dashboard.functions) == sorted(STEPS)
    change(project)
    dashboard.fails[f"{failing}-canary"] = "Failed to deploy"
    with pytest.raises(GateFailed, match="Failed to deploy\npull access denied") as failed:
        deploy(project, dashboard, "steps")
    assert failed.value.check == "deploy"
    assert "function binary-enrich goes on as before" in str(failed.value)
    assert sorted(dashboard.functions) == sorted(STEPS)
    assert {workers(dashboard, name) for name in STEPS} == {2}


def test_a_first_deployment_that_fails_half_way_leaves_nothing(
    project: Project, dashboard: StandIn
) -> None:
    dashboard.fails["binary-router"] = "no such image"
    with pytest.raises(GateFailed, match="no such image\npull access denied; nothing is served"):
        deploy(project, dashboard, "steps")
    assert (dashboard.functions, dashboard.gateways) == ({}, {})


def test_a_canary_of_five_calls_its_own_steps(project: Project, dashboard: StandIn) -> None:
    deploy(project, dashboard, "steps")
    change(project)
    dashboard.slow.add("binary-model-canary")
    with pytest.raises(GateFailed, match="function binary-model-canary is waitingForResource"):
        deploy(project, dashboard, "steps")
    assert not [n for n in dashboard.functions if n.endswith("-canary")]
    dashboard.slow.clear()
    seen: dict[str, str] = {}
    right = dashboard.answers

    def noted(name: str, function: dict[str, Any], event: Raw) -> Answer:
        for one in dashboard.functions.values():
            env = {e["name"]: e.get("value", "") for e in one["spec"]["env"]}
            seen[one["metadata"]["name"]] = env.get("SLUICE_NEXT", "")
        return right(name, function, event)

    dashboard.answers = noted
    deploy(project, dashboard, "steps")
    assert seen["binary-enrich"] == "http://nuclio-binary-transform:8080"
    assert seen["binary-enrich-canary"] == "http://nuclio-binary-transform-canary:8080"
    assert seen["binary-postprocess-canary"] == ""
    assert sorted(dashboard.functions) == sorted(STEPS)


def test_at_the_end_the_canary_serves_until_the_functions_are_changed(
    project: Project, dashboard: StandIn
) -> None:
    deploy(project, dashboard)
    change(project)
    dashboard.fails["binary"] = "node is full"
    with pytest.raises(GateFailed, match="node is full"):
        deploy(project, dashboard)
    assert dashboard.shares[-1] == {"binary-canary": 0}
    place = read_place(folder_of(project, "binary"))
    assert place is not None
    assert place.phase == "finish"
    dashboard.fails.clear()
    deploy(project, dashboard)
    assert dashboard.shares[-1] == {"binary": 0}
    assert list(dashboard.functions) == ["binary"]


def test_embedded_stores_serve_one_replica(project: Project, dashboard: StandIn) -> None:
    file = Path(project.root / "graphs/binary/graph.yaml")
    text = file.read_text("utf-8").replace('SLUICE_FEATURES: "redis://redis:6379/0"', "")
    file.write_text(text.replace("deploy:\n", "deploy:\n        replicas: {max: 2}\n"), "utf-8")
    with pytest.raises(DeclarationError, match=r"SLUICE_FEATURES: is embedded .*redis://"):
        deploy(project, dashboard)
    assert dashboard.seen == []


def test_a_dashboard_that_does_not_answer(project: Project, dashboard: StandIn) -> None:
    dashboard.down = True
    with pytest.raises(SluiceError, match="503 the dashboard starts"):
        deploy(project, dashboard)
    nowhere = Dashboard("http://127.0.0.1:9", project.name)
    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:9"):
        NuclioDeployment(project, "binary", nowhere).status()


def test_the_monitor_is_no_part_of_the_rollout(project: Project, dashboard: StandIn) -> None:
    file = Path(project.root / "graphs/binary/graph.yaml")
    watched = """      deploy:
        monitor: {claim: windows}
        kafka: {brokers: "kafka:9092"}
"""
    text = file.read_text("utf-8").replace("      deploy:\n", watched)
    events = ', SLUICE_EVENTS: "kafka://kafka:9092"}\n        ingress'
    file.write_text(text.replace("}\n        ingress", events), "utf-8")
    with deploy(project, dashboard) as deployment:
        assert list(dashboard.functions) == ["binary"]
        put_monitor(project, "binary", Dashboard(dashboard.url, project.name))
        assert set(dashboard.functions) == {"binary", "binary-monitor"}
        change(project)
        deploy(project, dashboard)
        assert set(dashboard.functions) == {"binary", "binary-monitor"}
        assert "binary-monitor" in deployment.status()["functions"]
    assert dashboard.functions == {}
