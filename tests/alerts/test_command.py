"""sluice alerts, as somebody types it; the watch beside a monitor."""

from __future__ import annotations

import json

import pytest

from sluice.alerts.incident import Incident
from sluice.alerts.open import Beside, beside
from sluice.alerts.watch import Watch
from sluice.cli import main
from sluice.errors import DeclarationError, StoreUnavailable
from tests.alerts.kept import HOUR, Kept, asked
from tests.streams.fakes import FakeClock
from tests.tiny import Tiny
from tests.windows.world import BEGAN, World, observation

ERRORS = "[{name: errors, watch: error_share, min_rows: 10}]"


@pytest.fixture(autouse=True)
def here(shop: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_PROJECT", str(shop.root))
    monkeypatch.setenv("SLUICE_STATE", str(shop.root / ".sluice"))


def test_incidents_open_and_recent(shop: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    with Kept(shop, ERRORS) as kept:
        for hour, failed in enumerate([0, 9, 0, 9]):
            kept.put(hour, asked(20, statuses={"500": failed}))
        kept.look(3)
    assert main(["alerts", "binary"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "binary: 1 open, 1 closed"
    head = "state severity condition subject version since until why"
    assert said[1].split() == head.split()
    assert said[2].startswith("open    page      errors     requests")
    assert said[3].endswith("45.0 % of 20 requests failed: 9 × 500")
    assert main(["alerts", "list", "binary", "--json", "--recent", "0"]) == 0
    [shown] = json.loads(capsys.readouterr().out)
    assert (shown["state"], shown["kind"], shown["since"]) == (
        "open",
        "error_share",
        BEGAN + 3 * HOUR,
    )


def test_look_where_no_monitor_does(shop: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    world = World(shop, "binary", f"alerts: {ERRORS}")
    failed = [
        observation(f"f{i}", BEGAN + i, version=None, error=(500, "x"), outputs=())
        for i in range(20)
    ]
    world.produce(world.topic, world.events([*failed, observation("n", BEGAN + 2 * HOUR)]))
    world.work()
    assert main(["alerts", "look", "binary"]) == 0
    assert "binary: 1 open, 0 closed" in capsys.readouterr().out


def test_the_monitor_looks_and_tells(shop: Tiny, caplog: pytest.LogCaptureFixture) -> None:
    world = World(shop, "binary", f"alerts: {ERRORS}")
    failed = [
        observation(f"f{i}", BEGAN + i, version=None, error=(500, "x"), outputs=())
        for i in range(20)
    ]
    world.produce(world.topic, world.events([*failed, observation("n", BEGAN + 2 * HOUR)]))
    assert main(["monitor", "binary", "--once"]) == 0
    told = [r.getMessage() for r in caplog.records if r.name == "sluice.alerts"]
    assert told == [
        "binary: errors: requests: 100.0 % of 20 requests failed: 20 × 500;"
        " since 2024-01-01 00:00 UTC, against above 5.0 %"
    ]


def test_rules_and_what_is_wrong(shop: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["alerts", "rules", "binary"]) == 0
    assert capsys.readouterr().out.startswith("groups:\n- name: sluice-binary\n")
    assert main(["alerts", "binary"]) == 1
    assert "sluice monitor binary" in capsys.readouterr().err
    assert main(["alerts", "nothing"]) == 1
    assert "no graph 'nothing'" in capsys.readouterr().err
    assert main(["alerts", "binary", "--recent", "-1"]) == 1


def test_time_goes_on_where_no_event_comes(shop: Tiny) -> None:
    clock = FakeClock()
    with Kept(shop, "[{watch: traffic}]") as kept:
        for hour in range(24 * 5):
            kept.put(hour, asked(500))
        with beside(shop.project, "binary", clock=clock) as watched:
            watched(BEGAN + 24 * 5 * HOUR)
            assert kept.incidents() == []
            clock.now += 2 * HOUR
            watched(BEGAN + 24 * 5 * HOUR)
            assert kept.incidents() == [("traffic", "requests", 24 * 5 + 1, None)]
            text = watched.metrics().decode()
    line = 'sluice_incidents{condition="traffic",graph="binary",kind="traffic",severity="page"} 1.0'
    assert line in text
    assert "sluice_notices_waiting" in text


class Away(Watch):
    """A watch whose model store is away."""

    def __init__(self) -> None:
        self.looked = list[float]()

    def look(self, now: float) -> list[Incident]:
        self.looked.append(now)
        raise StoreUnavailable("away")


def test_what_is_away_stops_no_monitor(caplog: pytest.LogCaptureFixture) -> None:
    away = Away()
    watched = Beside(away, FakeClock())
    watched(float("-inf"))
    watched(BEGAN)
    assert away.looked == [BEGAN]
    assert [r.getMessage() for r in caplog.records] == ["looks again later: away"]


def test_a_secret_that_is_not_there_is_said_at_once(shop: Tiny) -> None:
    with (
        Kept(shop, "{webhooks: [{url_secret: ALERTS_URL}]}"),
        pytest.raises(DeclarationError, match="no secret 'ALERTS_URL'"),
        beside(shop.project, "binary"),
    ):
        pass
