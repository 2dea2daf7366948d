"""The dashboard beside the graph: nothing of it is loaded before it is asked for, and who may ask
is who may ask for the rest."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import pytest

from sluice.access.keys import digest_of, make_key
from sluice.host.context import Context
from sluice.host.event import Event
from sluice.host.response import Later, Response, reply
from sluice.protocol.surface import Surface
from tests.conftest import ROOT
from tests.windows.world import World

_LAZY = """
import json, sys
from pathlib import Path
from sluice.project import Project
from sluice.protocol.surface import Surface
from sluice.service import Service
from sluice.host.event import Event
project = Project.read(Path(sys.argv[1]))
surface = Surface.over(project, Service.open(project, "binary"))
body = json.dumps({"city": "Bonn", "amount": 1, "time": "2024-01-04T12:30:00Z"}).encode()
assert surface.answer(Event(body)).status == 200
mine = [n for n in sys.modules if n.startswith("sluice.dashboard")]
assert mine == ["sluice.dashboard", "sluice.dashboard.paths"], mine
heavy = ("sluice.drift.report", "sluice.canary.canary", "scipy")
assert not any(name.startswith(heavy) for name in sys.modules)
answer = surface.answer(Event(b"", "GET", "/dashboard?version=")).waited()
assert (answer.status, answer.content_type) == (200, "text/html; charset=utf-8"), answer
assert "sluice.dashboard.page" not in sys.modules
assert not any(name.startswith(heavy) for name in sys.modules)
"""


def get(target: str, method: str = "GET", **headers: str) -> Event:
    return Event(b"", method, target, headers)


def test_nothing_of_it_is_loaded_before_it_is_asked_for(busy: World) -> None:
    path = f"{busy.tiny.root}:{ROOT}"
    environ = {"PYTHONPATH": path, "SLUICE_STATE": ".sluice", "PATH": ""}
    command = [sys.executable, "-W", "error::ResourceWarning", "-c", _LAZY, str(busy.tiny.root)]
    done = subprocess.run(
        command, check=False, env=environ, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_who_may_ask_is_who_may_ask_for_the_rest(busy: World) -> None:
    key = make_key()
    entry = f"alice:{digest_of(key).hex()}"
    project = busy.project
    guarded = replace(project, settings=replace(project.settings, api_keys=entry))
    service = busy.service()
    try:
        surface = Surface.over(guarded, service)
        for path in ("/dashboard", "/dashboard/data.json"):
            assert surface.answer(get(path)).waited().status == 401
            assert surface.answer(get(path, **{"X-Api-Key": key})).waited().status == 200
            assert surface.answer(get(path, method="POST")).waited().status == 401
    finally:
        service.close()


def test_a_page_is_counted_by_its_status_when_it_is_there(busy: World) -> None:
    service = busy.service()
    try:
        surface = Surface.over(busy.project, service)
        counted(surface)  # from here on the file is this surface's
        before = counted(surface)
        for path in ("/dashboard", "/dashboard?version=9"):
            later = surface.handle(Context(), get(path))
            assert isinstance(later, Later)
            reply(later)
        plain = SimpleNamespace(Response=Response)  # as Nuclio's: it can't wait
        [answered] = surface.handle(plain, [get("/dashboard/data.json")])
        assert (answered.status_code, answered.content_type) == (200, "application/json")
        after = counted(surface)
        assert after[200] - before[200] == 2 + 1  # and the metrics' own page
        assert after[404] - before[404] == 1
    finally:
        service.close()


def counted(surface: Surface) -> Counter[int]:
    """Requests by status."""
    page = surface.answer(get("/metrics")).body.decode()
    found = re.findall(r'^sluice_requests_total\{.*status="(\d+)"\} (\S+)$', page, re.M)
    return Counter({int(status): int(float(n)) for status, n in found})


def test_what_is_asked_wrongly_is_a_4xx(busy: World) -> None:
    service = busy.service()
    try:
        surface = Surface.over(busy.project, service)
        assert surface.answer(get("/dashboard?version=9")).waited().status == 404
        assert surface.answer(get("/dashboard?until=soon")).waited().status == 400
        assert surface.answer(get("/dashboard", method="POST")).waited().status == 405
        found = json.loads(surface.answer(get("/dashboard/data.json")).waited().body)
        assert found["graph"] == "binary"
    finally:
        service.close()


@pytest.mark.parametrize("path", ["/dashboard/", "/dashboard"])
def test_a_slash_at_the_end_changes_nothing(busy: World, path: str) -> None:
    service = busy.service()
    try:
        assert Surface.over(busy.project, service).answer(get(path)).waited().status == 200
    finally:
        service.close()
