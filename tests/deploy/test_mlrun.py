"""Deploying through MLRun: what its own client tells an API server."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from sluice.deploy.mlrun import deploy_mlrun, find_mlrun
from sluice.errors import DeclarationError, GateFailed, NotFound, StoreUnavailable
from sluice.project import Project
from tests.conftest import ROOT
from tests.deploy.checked import check
from tests.deploy.test_nuclio import DEPLOY, STEPS
from tests.tiny import Tiny

pytestmark = pytest.mark.filterwarnings("ignore")


class Api:
    """The part of MLRun's API that its client asks when it deploys.

    `deployed` are the functions by name, as they were posted; `fails` those that Nuclio refuses.
    """

    def __init__(self) -> None:
        self.deployed: dict[str, Any] = {}
        self.fails: set[str] = set()
        self.asked: list[str] = []

    def answer(self, method: str, path: str, body: Any) -> tuple[int, dict[str, str], Any]:
        parts = path.partition("?")[0].removeprefix("/api/v1/").split("/")
        self.asked.append(f"{method} {'/'.join(parts)}")
        if parts[-1] == "deploy":
            name = parts[-2]
            if method == "POST":
                self.deployed[name] = body["function"]
                return 200, {}, {"data": body["function"]}
            return 200, self._status(name), f"{name} is built".encode()
        if parts[0] in ("client-spec", "healthz"):
            return 200, {}, {"version": "1.12.1"}
        if method == "GET" and parts[2:3] == ["functions"]:
            found = self.deployed.get(parts[-1])
            return (200, {}, {"func": found}) if found else (404, {}, {"detail": "not found"})
        if method == "DELETE":
            self.deployed.pop(parts[-1], None)
            return 204, {}, b""
        return 200, {}, {"hash_key": "1"}

    def _status(self, name: str) -> dict[str, str]:
        return {
            "x-mlrun-function-status": "error" if name in self.fails else "ready",
            "x-mlrun-name": f"tiny-{name}",
            "x-mlrun-last-timestamp": "1.0",
            "x-mlrun-address": "",
            "x-mlrun-internal-invocation-urls": f"nuclio-tiny-{name}:8080",
            "x-mlrun-external-invocation-urls": "",
        }


@pytest.fixture
def api() -> Iterator[tuple[Api, Any]]:
    """The stand-in, and MLRun's client of it."""
    import mlrun
    from mlrun.db.httpdb import HTTPRunDB

    api = Api()

    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            data = self.rfile.read(int(self.headers.get("content-length") or 0))
            body = json.loads(data) if data else None
            status, headers, reply = api.answer(self.command, self.path, body)
            text = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(text))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = do_DELETE = _do  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    wait = mlrun.mlconf.httpdb.logs.nuclio.pull_deploy_status_default_interval
    mlrun.mlconf.httpdb.logs.nuclio.pull_deploy_status_default_interval = 0
    yield api, HTTPRunDB(f"http://127.0.0.1:{server.server_address[1]}")
    mlrun.mlconf.httpdb.logs.nuclio.pull_deploy_status_default_interval = wait
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def project(shop: Tiny) -> Project:
    line = "      training: tinyshop.binary"
    shop.edit("graphs/binary/graph.yaml", line, line + DEPLOY)
    for file in (ROOT / "functions").glob("*/function.yaml"):
        folder = shop.root / "functions" / file.parent.name
        folder.mkdir(parents=True)
        shutil.copy(file, folder)
    return shop.project


def test_our_handler_as_kind_nuclio_with_a_model_endpoint(
    project: Project, api: tuple[Api, Any]
) -> None:
    server, db = api
    with deploy_mlrun(project, "binary", db=db) as deployment:
        (function,) = server.deployed.values()
        spec = function["spec"]
        assert function["kind"] in ("nuclio", "remote")
        assert spec["function_handler"] == "functions.serve.function:handler"
        check({**spec["base_spec"], "spec": _without_build(spec["base_spec"]["spec"])})
        (endpoint,) = spec["model_endpoints_instructions"]
        assert (endpoint["name"], endpoint["monitoring_mode"]) == ("binary", "enabled")
        assert endpoint["input_schema"] == ["city", "amount", "visits", "member", "time"]
        assert spec["track_models"] is True
        assert deployment.url == "http://nuclio-tiny-binary:8080"
        assert deployment.status()["state"] == "ready"
        assert list(deployment.logs()) == ["binary is built"]
    assert server.deployed == {}


def test_five_functions_that_call_each_other(project: Project, api: tuple[Api, Any]) -> None:
    server, db = api
    deploy_mlrun(project, "binary", "steps", db=db)
    assert list(server.deployed) == STEPS[::-1]
    env = {e["name"]: e.get("value") for e in server.deployed["binary-enrich"]["spec"]["env"]}
    assert env["SLUICE_NEXT"] == "http://nuclio-tiny-binary-transform:8080"
    monitored = [n for n, f in server.deployed.items() if f["spec"].get("track_models")]
    assert monitored == ["binary-postprocess"], "events are made where requests are answered"


def test_what_was_deployed_is_found_again(project: Project, api: tuple[Api, Any]) -> None:
    server, db = api
    with pytest.raises(NotFound, match="sluice deploy binary --target mlrun"):
        find_mlrun(project, "binary", db)
    deploy_mlrun(project, "binary", "steps", db=db)
    found = find_mlrun(project, "binary", db)
    assert list(found.status()["functions"]) == STEPS
    found.stop()
    assert server.deployed == {}


def test_mlruns_own_engine_runs_the_same_graph(project: Project, api: tuple[Api, Any]) -> None:
    server, db = api
    deploy_mlrun(project, "binary", engine="mlrun", db=db)
    function = server.deployed["binary"]
    assert function["kind"] == "serving"
    assert list(function["spec"]["graph"]["steps"]) == [n.removeprefix("binary-") for n in STEPS]
    env = {e["name"]: e.get("value") for e in function["spec"]["env"]}
    assert env["SLUICE_MODELS"] == "s3://bucket/models"
    with pytest.raises(DeclarationError, match="has no layout steps"):
        deploy_mlrun(project, "binary", "steps", engine="mlrun", db=db)


def test_a_function_that_does_not_come_up(project: Project, api: tuple[Api, Any]) -> None:
    server, db = api
    server.fails.add("binary-model")
    with pytest.raises(GateFailed, match="function binary-model"):
        deploy_mlrun(project, "binary", "steps", db=db)
    assert "binary-enrich" not in server.deployed, "the door was opened"


def test_embedded_stores_serve_one_replica(project: Project, api: tuple[Api, Any]) -> None:
    file = Path(project.root / "graphs/binary/graph.yaml")
    text = file.read_text("utf-8").replace('SLUICE_MODELS: "s3://bucket/models", ', "")
    file.write_text(text.replace("deploy:\n", "deploy:\n        replicas: {max: 2}\n"), "utf-8")
    for engine in ("sluice", "mlrun"):
        with pytest.raises(DeclarationError, match=r"SLUICE_MODELS: is embedded .*s3://"):
            deploy_mlrun(project, "binary", engine=engine, db=api[1])
    assert api[0].deployed == {}


def test_a_server_that_is_not_there(project: Project) -> None:
    from mlrun.db.httpdb import HTTPRunDB

    with pytest.raises(StoreUnavailable, match="function binary"):
        deploy_mlrun(project, "binary", db=HTTPRunDB("http://127.0.0.1:9"))
    with pytest.raises(DeclarationError, match=r"no MLRun API server is named .*MLRUN_DBPATH"):
        deploy_mlrun(project, "binary")


def _without_build(spec: Any) -> Any:
    return {name: value for name, value in spec.items() if name != "build"}
