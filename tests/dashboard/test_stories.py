"""Retraining, the stories of versions and the correction, as the commands of these names tell."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import asdict

from sluice.correction.open import correction_ledger, correction_of
from sluice.correction.status import status
from sluice.dashboard.dashboard import Dashboard
from sluice.loop.history import stories
from sluice.loop.run import Board
from tests.dashboard.reading import Read
from tests.loop.worlds import World as LoopWorld
from tests.loop.worlds import incident
from tests.tiny import Tiny
from tests.windows.world import World


def test_the_loop_and_each_versions_story_are_those_of_the_commands(
    busy: World, board: Dashboard
) -> None:
    document, page = json.loads(board.data({}).body), Read(board.page({}).body.decode())
    found, runs = document["loop"], list(Board(busy.tiny.models, busy.graph).runs())
    assert [run["number"] for run in found["runs"]] == [run.number for run in runs[::-1]]
    assert [run["state"] for run in found["runs"]] == ["waiting for approval", "dropped"]
    (waiting,) = found["waiting"]
    assert f"Version\u00a0{waiting} waits for approval." in page.text
    assert f"sluice loop approve {busy.graph} {waiting}" in page.text
    assert page.numbers["/loop/runs/0/compared/0/new"] == 0.4
    told = stories(busy.tiny.models, busy.graph)
    assert [s["version"] for s in document["stories"]] == [s.version for s in told[::-1]]
    for story in told:
        assert f"Version {story.version}: {story.now}" in page.text
        for line in story.lines:
            assert line.why in page.text


def test_the_correction_is_that_of_its_status(busy: World, board: Dashboard) -> None:
    plan = correction_of(busy.project, busy.graph)
    with closing(correction_ledger(busy.project, busy.graph, plan)) as ledger:
        known = status(plan, ledger, 0.0)
    document = json.loads(board.data({}).body)
    assert document["correction"] == json.loads(json.dumps(asdict(known)))
    page = Read(board.page({}).body.decode())
    assert page.numbers["/correction/snapshot"] == known.snapshot > 0
    assert [v.version for v in known.versions] == ["1", "2"]
    assert page.numbers["/correction/versions/1/base"] == known.versions[1].base


def test_values_of_redacted_fields_are_in_no_reason(shop: Tiny) -> None:
    shop.edit("graphs/binary/graph.yaml", "format: 1\n", "format: 1\n      redact: {city: drop}\n")
    told = LoopWorld(shop, {"incidents": ["change"]})
    told.watched.incidents = [incident(subject="city", why="Bonn 10 % → 90 %")]
    told.state()
    made = Dashboard(shop.project, "binary")
    for text in (made.page({}).body.decode(), made.data({}).body.decode()):
        assert "change of version 2: its values are redacted" in text
        assert "Bonn" not in text
