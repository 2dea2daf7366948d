"""sluice dashboard, and a monitor beside sluice serve, as somebody types them."""

from __future__ import annotations

import logging
import os
import time
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sluice.access.keys import digest_of, make_key
from sluice.access.open import open_access
from sluice.cli import main
from sluice.dashboard.server import DashboardServer
from tests.conftest import ROOT
from tests.dashboard.reading import Read
from tests.dashboard.world import dashboard
from tests.serving import served
from tests.tiny import ORDER, Tiny
from tests.windows.world import World


@pytest.fixture(autouse=True)
def project(busy: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_PROJECT", str(busy.tiny.root))
    monkeypatch.setenv("SLUICE_STATE", str(busy.tiny.root / ".sluice"))
    monkeypatch.setattr(logging.getLogger("sluice"), "level", logging.CRITICAL)


def test_the_page_as_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "page.html"
    assert main(["dashboard", "binary", "--write", str(file)]) == 0
    assert capsys.readouterr().out == f"written: {file}\n"
    assert "/traffic/requests" in Read(file.read_text("utf-8")).numbers


def test_what_is_wrong_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dashboard", "nothing"]) == 1
    assert "no graph 'nothing'" in capsys.readouterr().err
    assert main(["dashboard", "binary", "--port", "70000"]) == 1
    assert "--port 70000: expected 0 to 65535" in capsys.readouterr().err


def test_the_server_asks_who_it_is_where_all_do(busy: World) -> None:
    key = make_key()
    entry = f"alice:{digest_of(key).hex()}"
    settings = replace(busy.project.settings, api_keys=entry)
    access = open_access(replace(busy.project, settings=settings), "binary")
    with DashboardServer("127.0.0.1", 0, dashboard(busy), access) as server:
        address = f"http://127.0.0.1:{server.port}"
        for path in ("/", "/dashboard", "/dashboard/data.json"):
            with pytest.raises(urllib.error.HTTPError, match="401"):
                urllib.request.urlopen(address + path, timeout=10)
        headers = {"X-API-Key": key}
        with urllib.request.urlopen(urllib.request.Request(address, None, headers)) as reply:
            assert reply.url == f"{address}/dashboard"
        for path in ("/dashboard?version=9", "/other"):
            request = urllib.request.Request(address + path, None, headers)
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(request, timeout=10)


def test_a_few_requests_are_on_the_page_within_seconds(shop: Tiny) -> None:
    """And the monitor ends with the server."""
    path = {"PYTHONPATH": f"{shop.root}{os.pathsep}{ROOT}", "SLUICE_STATE": ".sluice"}
    with served("binary", shop.root, "--monitor", **path) as client:
        [monitor] = _monitors(shop.root)
        assert client.post("/", ORDER).status == 200
        found = _until_counted(client, monitor)
        assert found["traffic"]["requests"] == 1
        assert [s["runs"] for s in found["steps"]] == [1] * 5
    assert not Path(f"/proc/{monitor}").exists()


def _until_counted(client: Any, monitor: int) -> Any:
    """The numbers, once there are any. A monitor gives way to all that the machine does, so that
    it may be a minute before it reads: this waits as long as it lives."""
    end = time.monotonic() + 300
    while time.monotonic() < end and Path(f"/proc/{monitor}").exists():
        found = client.get("/dashboard/data.json").body
        if "traffic" in found:
            return found
        time.sleep(0.2)
    raise AssertionError("nothing was counted")


def _monitors(root: Path) -> list[int]:
    """The processes that count for a project."""
    found = []
    for place in Path("/proc").iterdir():
        if place.name.isdecimal():
            try:
                command = (place / "cmdline").read_bytes().split(b"\0")
                environ = (place / "environ").read_bytes().split(b"\0")
            except OSError:  # gone, or another's
                continue
            if b"monitor" in command and f"SLUICE_PROJECT={root}".encode() in environ:
                found.append(int(place.name))
    return found
