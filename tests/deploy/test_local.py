"""Local deployments: a service in the background, and releases that take over from each other."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import sluice
from sluice.deploy.alive import is_alive, started, tell
from sluice.deploy.local import LocalOptions, at, deploy_local
from sluice.deploy.place import read_place
from sluice.deploy.rollout import Plan
from sluice.deploy.service import LocalDeployment
from sluice.errors import GateFailed, NotFound, SluiceError
from sluice.project import Project
from tests.conftest import ROOT
from tests.deploy.traffic import Traffic
from tests.streams.fakes import FakeClock
from tests.tiny import ORDER, Tiny

REQUESTS = int(os.environ.get("REQUESTS", "3000"))
PLAN = Plan((25, 100), hold_s=0.4, start_s=60.0)
ONE = LocalOptions(workers=1)


@pytest.fixture
def project(shop: Tiny, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """The tiny project, deployable, without a monitor; what is deployed of it is stopped."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # it has no functions/ of its own
    found = deployable(shop)
    yield found
    at(found, "binary").stop()


def deployable(shop: Tiny) -> Project:
    found = shop.project
    return replace(found, settings=replace(found.settings, port=0, monitoring=False))


def until(true: Callable[[], bool], limit_s: float = 30.0) -> None:
    deadline = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


def released(deployment: LocalDeployment) -> dict[str, int]:
    traffic: dict[str, int] = deployment.status()["traffic"]
    return traffic


def spoil(shop: Tiny, text: str) -> None:
    """Another rule of what a record's time is, and with it other features."""
    (shop.root / "tinytimes.py").write_text(text, "utf-8")


def test_a_keeper_that_never_comes_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    clock = FakeClock(0.0)
    with pytest.raises(SluiceError, match=r"no keeper came up; .*log says why"):
        LocalDeployment(tmp_path / "binary", clock).wait()
    assert 20 < clock.now < 21


def test_a_service_in_the_background(project: Project) -> None:
    with deploy_local(project, "binary", ONE, PLAN) as deployment:
        told = deployment.status()
        assert (told["state"], told["traffic"]) == ("ready", {"1": 100})
        assert told["health"]["versions"] == {"champion": "2"}
        assert is_alive(told["pid"], started(told["pid"]))
        assert os.getsid(told["pid"]) != os.getsid(0), "it would go with the shell"
        with Traffic(deployment.url, ORDER, clients=1) as traffic:
            until(lambda: traffic.count >= 5)
        assert set(traffic.outcomes) == {"200"}
        assert any("worker ready" in line for line in deployment.logs())
        processes = [told["pid"], *told["releases"]["1"]["pids"].values()]
    assert deployment.status() == {"name": "binary", "target": "local", "state": "stopped"}
    assert not any(started(pid) for pid in processes)
    with pytest.raises(NotFound, match="sluice deploy binary"):
        _ = deployment.url
    deployment.stop()  # again: nothing is there, nothing happens


def test_the_log_is_followed_until_the_end(project: Project) -> None:
    deployment = deploy_local(project, "binary", ONE, PLAN)
    lines = deployment.logs(follow=True)
    first = next(lines)
    deployment.stop()
    assert "stopping" in "\n".join([first, *lines])


def test_a_release_replaces_another_under_load(project: Project) -> None:
    """No request fails: REQUESTS of them, over as many replacements as they last."""
    deployment = deploy_local(project, "binary", ONE, PLAN)
    replaced = 1
    with Traffic(deployment.url, ORDER) as traffic:
        while traffic.count < REQUESTS:
            deploy_local(project, "binary", ONE, PLAN)
            replaced += 1
    assert traffic.outcomes == {"200": traffic.count}, traffic.problems[:5]
    assert traffic.count >= REQUESTS
    assert released(deployment) == {str(replaced): 100}
    until(lambda: list(deployment.status()["releases"]) == [str(replaced)])


@pytest.mark.parametrize(
    ("text", "check", "why"),
    [
        ("raise RuntimeError('at start')", "start", "door ended with exit code"),
        ("def asked(fields):\n    return 86400.0\n", "golden", "expected .*, got"),
        ("import time\n\ntime.sleep(60)\n", "ready", "not ready after 3 s"),
    ],
    ids=["crash at start", "wrong answers", "slow start"],
)
def test_a_bad_release_gets_no_traffic(
    project: Project, shop: Tiny, text: str, check: str, why: str
) -> None:
    deployment = deploy_local(project, "binary", ONE, PLAN)
    spoil(shop, text)
    with Traffic(deployment.url, ORDER, clients=2) as traffic:
        with pytest.raises(GateFailed, match=f"{why}.*; release 1 goes on as before") as failed:
            deploy_local(
                project, "binary", ONE, replace(PLAN, start_s=3.0 if check == "ready" else 60.0)
            )
        assert failed.value.check == check
    assert set(traffic.outcomes) == {"200"}, traffic.problems[:5]
    assert released(deployment) == {"1": 100}
    until(lambda: list(deployment.status()["releases"]) == ["1"])


def test_a_bad_first_release_leaves_nothing(project: Project, shop: Tiny) -> None:
    spoil(shop, "raise RuntimeError('at start')")
    with pytest.raises(GateFailed, match="nothing is served"):
        deploy_local(project, "binary", ONE, PLAN)
    assert at(project, "binary").status()["state"] == "stopped"


def test_the_old_one_is_put_back_when_the_new_one_dies_on_the_way(project: Project) -> None:
    deployment = deploy_local(project, "binary", ONE, PLAN)

    def kill(text: str) -> None:
        if "25 %" in text:
            pids = deployment.status()["releases"]["2"]["pids"]
            os.kill(pids["door"], signal.SIGKILL)

    with pytest.raises(GateFailed, match="a process of the new version died; release 1 goes on"):
        deploy_local(project, "binary", ONE, PLAN, kill)
    assert released(deployment) == {"1": 100}
    with Traffic(deployment.url, ORDER, clients=1) as traffic:
        until(lambda: traffic.count >= 20)
    assert set(traffic.outcomes) == {"200"}


def test_the_old_one_may_die_on_the_way(project: Project) -> None:
    """What its workers had in hand is lost with it; whoever connects then is answered."""
    deployment = deploy_local(project, "binary", ONE, PLAN)

    def kill(text: str) -> None:
        if "25 %" in text:
            pids = deployment.status()["releases"]["1"]["pids"]
            os.kill(pids["door"], signal.SIGKILL)
            with Traffic(deployment.url, ORDER, clients=4, each=1) as traffic:
                until(lambda: traffic.count >= 20)
            assert set(traffic.outcomes) == {"200"}, traffic.problems[:5]

    deploy_local(project, "binary", ONE, PLAN, kill)
    assert released(deployment) == {"2": 100}


def test_a_deploy_that_was_killed_is_gone_on_with(project: Project) -> None:
    deployment = deploy_local(project, "binary", ONE, PLAN)
    command = [sys.executable, "-c", KILLED, str(project.root)]
    killed = subprocess.run(command, check=False, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    place = read_place(deployment.folder)
    assert place is not None
    assert (place.version, place.old, place.phase) == ("2", "1", "traffic")
    assert released(deployment) == {"1": 75, "2": 25}
    said: list[str] = []
    deploy_local(project, "binary", ONE, PLAN, said.append)
    assert "left at traffic" in said[0]
    assert released(deployment) == {"2": 100}


def test_a_deploy_that_was_killed_is_undone_by_another_one(project: Project, shop: Tiny) -> None:
    deployment = deploy_local(project, "binary", ONE, PLAN)
    command = [sys.executable, "-c", KILLED, str(project.root)]
    subprocess.run(command, check=False, capture_output=True)
    (shop.root / "another.py").write_text("", "utf-8")
    deploy_local(project, "binary", ONE, PLAN)
    assert list(released(deployment).values()) == [100]
    assert not released(deployment).keys() & {"1", "2"}


KILLED = f"""
import os, signal, sys
from pathlib import Path
from sluice.deploy.local import LocalOptions, deploy_local
from sluice.deploy.rollout import Plan
from sluice.deploy.service import LocalDeployment
from tests.deploy.test_local import deployable
from tests.tiny import Tiny

project = deployable(Tiny(Path(sys.argv[1])))

def kill(text):
    if "25 %" in text:
        os.kill(os.getpid(), signal.SIGKILL)

plan = Plan({PLAN.percentages}, hold_s={PLAN.hold_s}, start_s={PLAN.start_s})
deploy_local(project, "binary", LocalOptions(workers=1), plan, kill)
"""


def test_a_keeper_that_was_killed_comes_back_with_what_it_had(project: Project) -> None:
    deployment = deploy_local(project, "binary", ONE, PLAN)
    told = deployment.status()
    os.kill(told["pid"], signal.SIGKILL)
    until(lambda: not any(started(pid) for pid in told["releases"]["1"]["pids"].values()))
    assert deployment.status()["state"] == "stopped"
    said: list[str] = []
    deploy_local(project, "binary", ONE, PLAN, said.append)
    assert "binary: 25 % of the traffic goes to the new version" in said
    assert released(deployment) == {"2": 100}


def test_a_pid_that_was_given_to_another_is_left_alone() -> None:
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        since = started(other.pid)
        assert not tell(other.pid, str(int(since) - 1))
        assert not tell(2**22 - 1, since)
        assert other.poll() is None
        assert tell(other.pid, since)
        assert other.wait(10) == -signal.SIGTERM
        assert started(other.pid) == ""
    finally:
        other.communicate()


def test_one_deploy_at_a_time(project: Project) -> None:
    deployment = deploy_local(project, "binary", ONE, PLAN)

    def again(_: str) -> None:
        with pytest.raises(SluiceError, match="another deploy is under way"):
            deploy_local(project, "binary", ONE, PLAN)

    deploy_local(project, "binary", ONE, PLAN, again)
    with pytest.raises(SluiceError, match="listens on"):
        deploy_local(project, "binary", replace(ONE, port=1), PLAN)
    assert released(deployment) == {"2": 100}


def test_the_commands_and_the_python_api(project: Project) -> None:
    environ = {
        **os.environ, "SLUICE_PROJECT": str(project.root), "SLUICE_PORT": "0",
        "SLUICE_MONITORING": "false",
        "SLUICE_STATE": str(project.root / ".sluice"),
    }  # fmt: skip

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "sluice.cli", *arguments]
        return subprocess.run(
            line, env=environ, cwd=ROOT, check=False, capture_output=True, text=True
        )

    assert command("deployments", "status", "binary").returncode == 1
    deployed = command("deploy", "binary", "--workers", "1")
    assert deployed.returncode == 0, deployed.stderr
    assert "binary: http://127.0.0.1:" in deployed.stdout
    listed: list[Any] = json.loads(command("deployments", "list", "--json").stdout)
    assert [(d["name"], d["state"]) for d in listed] == [("binary", "ready")]
    assert "worker ready" in command("deployments", "logs", "binary").stdout
    Path(project.root / "tinytimes.py").write_text("raise RuntimeError('new')", "utf-8")
    refused = command("deploy", "binary", "--workers", "1")
    assert refused.returncode == 1
    assert "sluice: gate start: binary: the new version does not run" in refused.stderr
    assert "release 1 goes on as before" in refused.stderr
    assert command("deployments", "stop", "binary").stdout == "binary: stopped\n"
    assert callable(sluice.deploy)
    with pytest.raises(SluiceError, match="no target 'lokal'"):
        sluice.deploy("binary", target="lokal", project=project)
