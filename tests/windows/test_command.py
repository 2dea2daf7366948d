"""sluice monitor, as somebody types it, and its pages."""

from __future__ import annotations

import logging
import urllib.request
from functools import partial

import pytest

from sluice.cli import main
from sluice.page_server import PageServer, paged
from sluice.windows.open import opened
from sluice.windows.pages import pages
from tests.tiny import Tiny
from tests.windows.world import BEGAN, World, observation


@pytest.fixture
def world(shop: Tiny, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("SLUICE_PROJECT", str(shop.root))
    monkeypatch.setenv("SLUICE_STATE", str(shop.root / ".sluice"))
    monkeypatch.setattr(logging.getLogger("sluice"), "level", logging.ERROR)
    return World(shop, "binary")


def test_once(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.produce(world.topic, world.events([observation("a", BEGAN)]))
    world.produce(world.feedback, [world.label("a", 1, BEGAN + 60)])
    assert main(["monitor", "binary", "--once", "--metrics-port", "0"]) == 0
    said = capsys.readouterr().out
    assert "binary: counts tiny.binary.events and tiny.binary.feedback" in said
    assert "metrics: http://127.0.0.1:" in said
    assert said.splitlines()[-1] == "events 1, feedback 1, labels_joined 1"


def test_what_is_wrong_is_named(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["monitor", "nothing"]) == 1
    assert "no graph 'nothing'" in capsys.readouterr().err
    assert main(["monitor", "binary", "--metrics-port", "70000"]) == 1
    assert "--metrics-port 70000: expected 0 to 65535" in capsys.readouterr().err


def test_metrics_of_the_monitor_and_of_the_latest_windows(world: World) -> None:
    """The latest window is that which is over when the newest event comes."""
    failed = observation("f", BEGAN, version=None, error=(503, "away"), outputs=())
    seen = [observation(f"r{i}", BEGAN + i, defaults=[{"weather.temp": "stale"}]) for i in range(8)]
    world.produce(world.topic, world.events([*seen, failed, observation("n", BEGAN + 3601)]))
    labels = [world.label(f"r{i}", i % 2, BEGAN + 60) for i in range(6)]
    world.produce(world.feedback, labels)
    world.work()
    with (
        opened(world.project, "binary") as (monitor, _, _),
        PageServer(
            "127.0.0.1", 0, paged(pages("binary", monitor, partial(type(world).windows, world)))
        ) as server,
    ):
        address = f"http://127.0.0.1:{server.port}/"
        with urllib.request.urlopen(f"{address}metrics", timeout=10) as reply:
            text = reply.read().decode()
            assert reply.headers["Content-Type"].startswith("text/plain")
        with urllib.request.urlopen(f"{address}v2/health/ready", timeout=10) as reply:
            assert reply.status == 200
        monitor.waiting = True
        with pytest.raises(urllib.error.HTTPError, match="503"):
            urllib.request.urlopen(f"{address}v2/health/ready", timeout=10)
    labels_ = 'graph="binary",version="2"'
    for line in (
        'sluice_monitor_read_total{graph="binary",of="events"} 10.0',
        'sluice_monitor_labels_total{graph="binary",outcome="joined"} 6.0',
        'sluice_monitor_lag{graph="binary"} 0.0',
        f"sluice_window_requests{{{labels_}}} 8.0",
        f"sluice_window_defaults{{{labels_}}} 8.0",
        'sluice_window_failed{graph="binary",version=""} 1.0',
        f"sluice_window_labels{{{labels_}}} 6.0",
        f"sluice_window_accuracy{{{labels_}}} 0.5",
        f"sluice_window_auc{{{labels_}}} 0.5",
    ):
        assert line in text.splitlines(), line
    assert f'sluice_window_latency_seconds{{graph="binary",quantile="0.99",{labels_[15:]}}}' in text
    assert "sluice_window_rmse{" not in text
