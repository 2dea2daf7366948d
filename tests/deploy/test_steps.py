"""The layout steps: five functions that call each other give what one function gives."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sluice.deploy.local import LocalOptions, at, deploy_local
from sluice.deploy.probe import Said, over_http
from sluice.deploy.rollout import Plan
from sluice.deploy.service import LocalDeployment
from sluice.project import Project
from tests.conftest import ROOT
from tests.tiny import ORDER, Tiny

PLAN = Plan((100,), hold_s=0.1, start_s=60.0)
STEPS = ("door", "transform", "router", "model", "postprocess")
MANY = [ORDER, {**ORDER, "amount": -1}, 7, {**ORDER, "city": None}, {**ORDER, "visits": 9}]
TENSORS = {
    "inputs": [
        {"name": name, "shape": [1], "datatype": kind, "data": [ORDER[name]]}
        for name, kind in (
            ("city", "BYTES"), ("amount", "FP64"), ("visits", "INT64"), ("member", "BOOL"),
            ("time", "BYTES"),
        )
    ]
}  # fmt: skip
REQUESTS: dict[str, tuple[str, str, Any]] = {
    "a record": ("POST", "/", ORDER),
    "a list with bad ones": ("POST", "/", MANY),
    "a bad record": ("POST", "/", {**ORDER, "amount": -1}),
    "nothing": ("POST", "/", []),
    "not JSON": ("POST", "/", b"{"),
    "MLRun": ("POST", "/v2/models/binary/infer", {"id": "r-1", "inputs": [ORDER]}),
    "tensors": ("POST", "/v2/models/binary/infer", TENSORS),
    "a version": ("POST", "/v2/models/binary/versions/2/infer", {"inputs": [ORDER]}),
    "no version": ("POST", "/v2/models/binary/versions/9/infer", {"inputs": [ORDER]}),
    "no model": ("POST", "/v2/models/other/infer", {"inputs": [ORDER]}),
    "feedback": ("POST", "/feedback", {"id": "r-1", "label": 1}),
    "metadata": ("GET", "/v2/models/binary", None),
    "ready": ("GET", "/v2/health/ready", None),
    "a wrong method": ("GET", "/", None),
}


@pytest.fixture(scope="module")
def project(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The tiny project with functions of its own, so that steps can be run by their folders."""
    shop = tiny.copy(tmp_path_factory.mktemp("steps") / "shop")
    shutil.copytree(
        ROOT / "functions", shop.root / "functions", ignore=shutil.ignore_patterns("__pycache__")
    )
    found = shop.project
    return replace(found, settings=replace(found.settings, port=0, timeout=3.0))


@pytest.fixture(scope="module")
def both(project: Project) -> Iterator[tuple[LocalDeployment, LocalDeployment]]:
    """The graph deployed in both layouts, one after the other, with the answers of the first."""
    other = replace(project, settings=replace(project.settings, state=f"{project.root}/other"))
    shutil.copytree(project.root / ".sluice", project.root / "other")
    fused = deploy_local(project, "binary", LocalOptions("fused", workers=1), PLAN)
    steps = deploy_local(other, "binary", LocalOptions("steps", workers=1), PLAN)
    yield fused, steps
    steps.stop()
    fused.stop()
    assert at(other, "binary").status()["state"] == "stopped"


def ask(deployment: LocalDeployment, method: str, path: str, body: Any) -> Said:
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "X-Request-Id": "r-1"}
    return over_http(deployment.url)(method, path, data, headers)


def content(said: Said) -> Any:
    body = json.loads(said.body)
    body.pop("timestamp", None)
    return body


@pytest.mark.parametrize("name", REQUESTS)
def test_both_layouts_answer_the_same(
    both: tuple[LocalDeployment, LocalDeployment], name: str
) -> None:
    one, five = (ask(deployment, *REQUESTS[name]) for deployment in both)
    assert five.status == one.status
    assert content(five) == content(one)


def test_five_processes_and_their_timings(both: tuple[LocalDeployment, LocalDeployment]) -> None:
    told = both[1].status()["releases"]["1"]
    assert (told["layout"], tuple(told["pids"])) == ("steps", (*STEPS, "monitor"))
    assert len(set(told["pids"].values())) == 6
    page = over_http(both[1].url)("GET", "/metrics", None, {}).body.decode()
    for step in ("enrich", "transform", "router", "model", "postprocess"):
        assert f'step="{step}"' in page


@pytest.mark.parametrize("step", STEPS[1:])
def test_a_step_that_hangs_is_a_504_that_names_it(
    both: tuple[LocalDeployment, LocalDeployment], step: str
) -> None:
    pid = both[1].status()["releases"]["1"]["pids"][step]
    workers = _children(pid)
    for worker in workers:
        os.kill(worker, signal.SIGSTOP)
    try:
        begun = time.monotonic()
        said = ask(both[1], "POST", "/", ORDER)
        assert time.monotonic() - begun < 3.0
    finally:
        for worker in workers:
            os.kill(worker, signal.SIGCONT)
    assert said.status == 504
    assert content(said)["error"].startswith(f"step {step} did not answer within")
    _until(lambda: ask(both[1], "POST", "/", ORDER).status == 200)


def test_a_step_that_is_gone_is_a_503_until_it_is_back(
    both: tuple[LocalDeployment, LocalDeployment],
) -> None:
    pid = both[1].status()["releases"]["1"]["pids"]["model"]
    worker = _children(pid)[0]
    os.kill(worker, signal.SIGKILL)
    seen = set()

    def back() -> bool:
        said = ask(both[1], "POST", "/", ORDER)
        seen.add(said.status)
        return said.status == 200

    _until(back)
    assert seen <= {200, 503, 504}


def _children(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _until(true: Callable[[], bool], limit_s: float = 20.0) -> None:
    deadline = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.1)
