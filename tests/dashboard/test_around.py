"""What stands around the windows: the canary, what a policy has learnt, dead letters, and what a
worker does not look at because it is elsewhere."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from typing import Any

from sluice.canary.canary import Canary
from sluice.dashboard.dashboard import Dashboard
from sluice.project import Project
from sluice.streams import Message, open_stream
from tests.canary.worlds import declare
from tests.dashboard.reading import Read, lookup
from tests.tiny import Tiny


def both(project: Project, **options: Any) -> tuple[Read, Any]:
    """The page and the JSON; the numbers of the one are those of the other."""
    board = Dashboard(project, "binary", **options)
    page, document = Read(board.page({}).body.decode()), json.loads(board.data({}).body)
    assert page.numbers == {place: lookup(document, place) for place in page.numbers}
    return page, document


def test_a_canary_has_its_verdict_and_its_evidence(shop: Tiny) -> None:
    declare(shop)
    canary = Canary.open(shop.project, "binary")
    canary.start("1")
    canary.look()
    page, document = both(shop.project)
    found, status = document["canary"], canary.status()
    assert (found["challenger"], found["champion"]) == ("1", "2")
    assert found["why"] == status.verdict.why
    assert found["why"] in page.text
    assert [c["what"] for c in found["compared"]] == list(status.verdict.evidence["compared"])
    assert page.numbers["/canary/share"] == 0.2
    assert found["decisions"][0]["action"] == "start"


def test_what_a_policy_has_learnt(shop: Tiny) -> None:
    policy = "{policy: thompson, arms: [champion, challenger]}"
    shop.edit("graphs/binary/graph.yaml", "{policy: champion}", policy)
    shop.models.promote("binary", "1", "challenger")
    page, document = both(shop.project)
    arms = document["learning"]["arms"]
    assert [(a["alias"], a["version"]) for a in arms] == [("champion", "2"), ("challenger", "1")]
    assert "What thompson has learnt" in page.text
    assert page.numbers["/learning/arms/0/mean"] is None


def test_dead_letters_are_counted(shop: Tiny) -> None:
    with closing(open_stream(str(shop.root / ".sluice" / "stream.log"))) as stream:
        producer = stream.producer(durable=False)
        letters = [Message(b"{}", str(n)) for n in range(3)]
        producer.produce_many("tiny.binary.dead-letters", letters)
        producer.produce_many("tiny.binary.dead-letters.replayed", letters[:1])
    _, document = both(shop.project)
    assert document["dead_letters"] == {"requests": 3, "replayed": 1}


def test_a_worker_does_not_ask_other_machines(shop: Tiny) -> None:
    settings = shop.project.settings
    elsewhere = replace(
        shop.project,
        settings=replace(settings, models="s3://bucket/models", stream="kafka://broker:9092"),
    )
    page, document = both(elsewhere, far=False)
    gone = {"aliases", "moves", "canary", "loop", "stories", "dead_letters"}
    assert set(document["away"]) == gone
    assert "is on another machine: sluice dashboard binary" in page.text
    assert "bucket" not in page.text
