"""What a learner counts is on a page."""

from __future__ import annotations

from typing import Any
from urllib.request import urlopen

import pytest

from sluice.cli import main
from sluice.page_server import PageServer, paged
from sluice.routing.join_page import pages
from sluice.streams import Record
from tests.routing.known import NOW, World
from tests.routing.test_learner import ARMS, THOMPSON, event, feedback, learner_of
from tests.tiny import Tiny


class Given:
    """A consumer of records that are given."""

    lost = 0

    def __init__(self, *batches: list[Record]) -> None:
        self.batches = list(batches)

    def poll(self, max_records: int = 100, timeout_s: float = 1.0) -> list[Record]:
        return self.batches.pop(0) if self.batches else []

    def commit(self, done: Any) -> None:
        """Nobody asks."""

    def committed(self) -> dict[Any, int]:
        return {}

    def close(self) -> None:
        """Nothing is open."""


def test_counts_and_lag_are_there_and_waiting_is_not_ready() -> None:
    made = World("thompson", {"arms": ARMS})
    learner, found = learner_of(made), [event("a", "champion", "1"), feedback("a", 1.0)]
    page = pages("shop", learner)
    made.clock.now = NOW + 40.0
    learner._look(found)
    assert 'sluice_learner_lag_seconds{graph="shop"} 40.0' in lines(page)
    learner.run(Given(found, found), once=True)
    told = lines(page)
    assert 'sluice_learnt_total{graph="shop",outcome="credited"} 1.0' in told
    assert 'sluice_learnt_total{graph="shop",outcome="repeated"} 1.0' in told
    assert 'sluice_learnt_total{graph="shop",outcome="late"} 0.0' in told
    assert 'sluice_learner_lag_seconds{graph="shop"} 0.0' in told
    assert 'sluice_learner_waiting{graph="shop"} 0.0' in told
    assert page["/v2/health/ready"]().status == 200
    learner.waiting = "memory: is away"
    assert 'sluice_learner_waiting{graph="shop"} 1.0' in lines(page)
    assert page["/v2/health/ready"]().status == 503
    with PageServer("127.0.0.1", 0, paged(page)) as server:
        assert b"sluice_learnt" in urlopen(f"http://127.0.0.1:{server.port}/metrics").read()


def test_the_command_serves_it(
    shop: Tiny, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.edit("graphs/binary/graph.yaml", "{policy: champion}", THOMPSON)
    monkeypatch.setenv("SLUICE_PROJECT", str(shop.root))
    monkeypatch.setenv("SLUICE_STATE", str(shop.root / ".sluice"))
    command = ["learn", "binary", "--once", "--metrics-port"]
    assert main([*command, "0"]) == 0
    assert "metrics: http://127.0.0.1:" in capsys.readouterr().out
    assert main([*command, "70000"]) == 1
    assert "--metrics-port 70000: expected 0 to 65535" in capsys.readouterr().err


def lines(page: Any) -> list[str]:
    return bytes(page["/metrics"]().body).decode().splitlines()
