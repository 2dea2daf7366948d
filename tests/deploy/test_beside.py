"""What works beside a service as long as it is deployed: who teaches its policy, who counts."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from sluice.deploy.beside import corrects, learns, teachers
from sluice.deploy.local import LocalOptions, at, deploy_local
from sluice.deploy.probe import over_http
from sluice.deploy.release import Release, copy_of
from sluice.deploy.rollout import Plan
from sluice.errors import StoreUnavailable
from sluice.project import Project
from sluice.routing.open import learning_policy
from sluice.stores import reward_ledger
from sluice.windows.windows import Windows
from tests.conftest import ROOT
from tests.deploy.test_local import until
from tests.tiny import ORDER, Tiny

PLAN = Plan((100,), hold_s=0.1, start_s=60.0)
ONE = LocalOptions(workers=1)
JSON = {"Content-Type": "application/json"}
THOMPSON = "{policy: thompson, arms: [champion, challenger], reward: {of: reward, low: 0, high: 1}}"


@pytest.fixture
def project(shop: Tiny, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """The tiny project, whose policy learns."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # it has no functions/ of its own
    shop.edit("graphs/binary/graph.yaml", "{policy: champion}", THOMPSON)
    found = shop.project
    found = replace(found, settings=replace(found.settings, port=0))
    yield found
    at(found, "binary").stop()


def test_rewards_are_learnt_from_until_it_is_stopped(project: Project) -> None:
    policy = learning_policy(project, "binary")

    def credits() -> int:
        ledger = reward_ledger(project, "binary", policy.memory)
        try:
            return int(ledger.head(time.time()).version)
        finally:
            ledger.close()

    with deploy_local(project, "binary", ONE, PLAN) as deployment:
        ask = over_http(deployment.url)

        def reward(id: str) -> None:
            said = ask("POST", "/", json.dumps({"id": id, "inputs": [ORDER]}).encode(), JSON)
            assert said.status == 200
            feedback = json.dumps({"id": id, "reward": 1}).encode()
            assert ask("POST", "/feedback", feedback, JSON).status in (200, 202)

        reward("r-1")
        until(lambda: credits() == 1)
        pids = deployment.status()["releases"]["1"]["pids"]
        assert list(pids) == ["door", "learn", "monitor"]
        door, monitor = (os.getpriority(os.PRIO_PROCESS, pids[r]) for r in ("door", "monitor"))
        assert monitor == min(door + 10, 19)
        os.kill(pids["learn"], signal.SIGKILL)
        until(lambda: deployment.status()["releases"]["1"]["pids"].get("learn") not in
              (None, pids["learn"]))  # fmt: skip
        reward("r-2")
        until(lambda: credits() == 2)
        deploy_local(project, "binary", ONE, PLAN)
        until(lambda: list(deployment.status()["releases"]) == ["2"])
        reward("r-3")
        until(lambda: credits() == 3)
        until(lambda: counted(project) == 3)


def counted(project: Project) -> int:
    """How many requests the monitor has counted."""
    with Windows.open(project, "binary") as windows:
        return sum(hour.requests for hour in windows.hours())


def test_a_policy_that_does_not_learn_has_none(project: Project, shop: Tiny) -> None:
    assert learns(project, "binary")
    assert not learns(project, "classes")
    shop.edit("graphs/binary/graph.yaml", THOMPSON, "{policy: champion}")
    with deploy_local(project, "binary", ONE, PLAN) as deployment:
        assert list(deployment.status()["releases"]["1"]["pids"]) == ["door", "monitor"]


def test_one_whose_learner_can_not_start_is_refused(project: Project, shop: Tiny) -> None:
    (shop.root / ".sluice" / "rewards").write_text("no folder", "utf-8")
    with pytest.raises(StoreUnavailable, match="ledger"):
        deploy_local(project, "binary", ONE, PLAN)
    assert at(project, "binary").status()["state"] == "stopped"


def test_a_release_of_the_format_before_is_read(project: Project, shop: Tiny) -> None:
    """As an older Sluice left it: a keeper that comes back runs it."""
    folder = shop.root / "kept"
    file = copy_of(folder, "1").parent / "release.json"
    file.parent.mkdir(parents=True)
    old = {"number": "1", "graph": "binary", "layout": "fused", "digest": "d", "format": 1}
    file.write_text(json.dumps(old), "utf-8")
    release = Release.load(folder, "1")
    assert [p.role for p in release.processes()] == ["door"]
    file.write_text(json.dumps({**old, "format": 2, "learns": True}), "utf-8")
    assert [p.role for p in Release.load(folder, "1").processes()] == ["door", "learn"]
    file.write_text(json.dumps({**old, "format": 4}), "utf-8")
    with pytest.raises(ValueError, match="format"):
        Release.load(folder, "1")


def test_a_correction_is_taught_too(project: Project, shop: Tiny) -> None:
    assert not corrects(project, "binary")
    assert teachers(project, "binary") == ("learn",)
    ruled = "responder: true\n        class_args: {rules: [{rule: correction, features: []}]}"
    shop.edit("graphs/binary/graph.yaml", "responder: true", ruled)
    assert teachers(project, "binary") == ("learn", "correction")
