"""What callers, metrics and events are told of ensembles and shadows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sluice.host.event import Event
from sluice.message import Message
from sluice.metrics import Registry
from sluice.models.model import Input
from sluice.observe import observe
from sluice.protocol.meter import Meter
from sluice.protocol.surface import Surface
from tests.routing.shadowing import Kept as Comparisons
from tests.routing.shadowing import in_thread
from tests.tiny import ORDER, Tiny


class Raises:
    """A model that always does."""

    inputs: tuple[Input, ...] = ()
    imports: tuple[str, ...] = ()

    def predict(self, tensors: Any) -> Any:
        raise ZeroDivisionError


class Kept:
    """An emitter that keeps what it is given."""

    lone = None

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def emit(self, observation: Any) -> None:
        self.seen.append(observation)


@pytest.fixture
def surface(shop: Tiny, tmp_path: Path) -> Iterator[Surface]:
    """An ensemble with a quorum of one, whose challenger raises; shadowed by the champion."""
    shop.models.promote("binary", "1", "challenger")
    declared = {
        "policy": "ensemble",
        "members": ["champion", "challenger"],
        "quorum": 1,
        "shadow": {"versions": ["champion"]},
    }
    shop.edit("graphs/binary/graph.yaml", "{policy: champion}", json.dumps(declared))
    application = shop.open("binary")
    application.shadow = in_thread(application, Comparisons())
    with shop.service("binary", application) as service:
        meter = Meter(Registry(tmp_path / "metrics"), application)
        yield Surface(service, meter=meter)


def broken(surface: Surface, *versions: str) -> None:
    application = surface.service.application
    live = application.live()
    changed = {n: replace(live.versions[n], model=Raises()) for n in versions}
    application._live = replace(live, versions={**live.versions, **changed}, _teams={})


def post(surface: Surface, body: Any, path: str = "/") -> Any:
    answer = surface.answer(Event(json.dumps(body).encode(), "POST", path, {}))
    return answer.status, json.loads(answer.body)


def page(surface: Surface) -> list[str]:
    assert surface.service.application.shadow is not None
    assert surface.service.application.shadow.wait()
    body = surface.answer(Event(b"", "GET", "/metrics", {})).body
    return bytes(body).decode().splitlines()


def test_metrics_count_who_is_left_out_and_what_is_compared(surface: Surface) -> None:
    broken(surface, "1")
    status, reply = post(surface, [ORDER, ORDER])
    assert (status, reply["version"]) == (200, "2")
    lines = page(surface)
    assert 'sluice_left_out_total{graph="binary",member="challenger"} 2.0' in lines
    assert 'sluice_shadows_total{graph="binary",outcome="compared"} 2.0' in lines


def test_below_the_quorum_the_status_says_whose_fault_it_is(surface: Surface) -> None:
    broken(surface, "1", "2")
    status, reply = post(surface, ORDER)
    assert status == 503
    assert "members needed answered" in reply["error"]
    names = {"city": "BYTES", "time": "BYTES"}
    inputs = [
        {"name": n, "shape": [2], "datatype": t, "data": [ORDER[n]] * 2} for n, t in names.items()
    ]
    status, reply = post(surface, {"inputs": inputs}, "/v2/models/binary/infer")
    assert status == 503
    status, reply = post(surface, [ORDER])
    assert (status, reply["version"], reply["route"]) == (200, None, None)


def test_the_event_has_the_scores_of_the_members(surface: Surface) -> None:
    kept = Kept()
    application = surface.service.application
    message = Message([ORDER, ORDER], "id")
    reply = surface.service.run(message)
    application.emitter = kept  # type: ignore[assignment]
    observe(application, [(message, reply)])
    application.emitter = None
    members = kept.seen[0].members
    assert set(members) == {"1", "2"}
    own = [surface.service.predict(ORDER, version=n)["probability"] for n in ("1", "2")]
    assert [members["1"], members["2"]] == [[own[0]] * 2, [own[1]] * 2]
    assert sum(own) / 2 == reply["outputs"][0]["probability"]
