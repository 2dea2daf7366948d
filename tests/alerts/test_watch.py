"""The watch: each kind of condition, over windows that are written as a monitor would."""

from __future__ import annotations

import numpy as np
import pytest

from sluice.alerts import state
from sluice.alerts.watch import Watch
from sluice.errors import NotFound
from tests.alerts.kept import HOUR, Kept, asked, hours, labelled
from tests.tiny import Tiny
from tests.windows.world import BEGAN


def only(*conditions: str) -> str:
    """Nothing but these conditions."""
    return f"{{defaults: false, conditions: [{', '.join(conditions)}]}}"


def test_without_windows_there_is_nothing_to_watch(shop: Tiny) -> None:
    with pytest.raises(NotFound, match="sluice monitor binary"):
        Watch.open(shop.project, "binary")


def test_errors_open_and_close_with_hysteresis(shop: Tiny) -> None:
    declared = "{watch: error_share, above: .02, clear_below: .01, min_rows: 100, for: 2h}"
    with Kept(shop, only(declared)) as kept:
        shares = [0, 30, 0, 30, 30, 15, 30, 9, 0]  # of a thousand
        for hour, failed in enumerate(shares):
            kept.put(hour, asked(1000, statuses={"503": failed, "404": 200}))
        [incident] = kept.look(4)
        assert (incident.state, incident.severity, incident.version) == ("open", "page", "")
        assert (hours(incident.since), hours(incident.opened)) == (3, 5)
        assert incident.why == "3.0 % of 1000 requests failed: 30 × 503"
        assert (incident.against, incident.value) == ("above 2.0 %", 0.03)
        [closed] = kept.look(8)
        assert (closed.id, closed.state, closed.closed) == (incident.id, "closed", BEGAN + 8 * HOUR)
        assert kept.look(8) == []


def test_few_requests_are_put_together_until_they_are_enough(shop: Tiny) -> None:
    with Kept(shop, only("{watch: error_share, min_rows: 100}")) as kept:
        for hour in range(30):
            kept.put(hour, asked(10, statuses={"500": 3 * (hour >= 15)}))
        kept.look(30)
        assert kept.incidents() == [("error_share", "requests", 17, None)]


def test_refused_records(shop: Tiny) -> None:
    with Kept(shop, only("{watch: refused_share}")) as kept:
        kept.put(0, asked(1000, refused=100))
        kept.put(1, asked(1000, refused=300))
        kept.look(2)
        assert kept.incidents() == [("refused_share", "records", 2, None)]


def test_a_slow_step_beside_what_was_usual(shop: Tiny) -> None:
    """It stays open for days: what is slow does not become the measure of itself."""
    with Kept(shop, only("{watch: latency}")) as kept:
        for hour in range(24 * 8):
            slow = 30_000 if 48 <= hour < 24 * 6 + 1 else 0
            kept.put(hour, asked(300, steps={"enrich": 1000 + slow, "model": 900}))
        found = kept.look(24 * 8)
        assert kept.incidents() == [("latency", "enrich", 49, 24 * 6 + 2)]
        [incident] = [i for i in found if i.closed is not None]
        assert incident.usual == pytest.approx(0.001, rel=0.1)
        assert incident.against == "the 7 days before"


def test_a_limit_of_a_step_needs_nothing_usual(shop: Tiny) -> None:
    with Kept(shop, only("{watch: latency, step: model, above: 5ms}")) as kept:
        kept.put(0, asked(300, steps={"enrich": 90_000, "model": 900}))
        kept.put(1, asked(300, steps={"enrich": 90_000, "model": 6000}))
        kept.look(2)
        assert kept.incidents() == [("latency", "model", 2, None)]


def test_defaults_and_stale_values_by_feature(shop: Tiny) -> None:
    with Kept(shop, only("{watch: defaults}", "{watch: stale}")) as kept:
        for hour in range(60):
            missing = {("weather.temp", "missing"): 300 if hour >= 50 else 30}
            stale = {("weather.sky", "stale"): 100} if hour >= 55 else {}
            kept.put(hour, asked(300, defaults={**missing, ("place.size", "null"): 90, **stale}))
        kept.look(59)
        assert kept.incidents() == [
            ("defaults", "weather.temp", 51, None), ("stale", "weather.sky", 56, None)
        ]  # fmt: skip


def test_nulls_of_a_source_by_day(shop: Tiny) -> None:
    """A gauge that says nothing for some hours is usual; one that is silent for a day is not."""
    with Kept(shop, only("{watch: defaults}", "{watch: nulls}")) as kept:
        for hour in range(24 * 10):
            silent = hour >= 24 * 9 or hour % 48 < 6
            weather = {("weather.temp", "null"): 300} if silent else {}
            kept.put(hour, asked(300, defaults={**weather, ("place.size", "null"): 200}))
        kept.look(24 * 10 - 2)
        assert kept.incidents() == []
        found = kept.look(24 * 10 - 1)
        assert [(i.kind, i.subject, i.severity, i.usual) for i in found] == [
            ("nulls", "weather.temp", "info", 0.25)
        ]
        assert found[0].why == "weather.temp: nulls in 100.0 % of 7200 records, usually 25.0 %"


def test_what_is_missing_each_morning_is_usual_then(shop: Tiny) -> None:
    with Kept(shop, only("{watch: defaults}")) as kept:
        for hour in range(24 * 9):
            early = hour % 24 in (5, 6)
            gone = early or hour >= 24 * 8 + 10
            kept.put(hour, asked(300, defaults={("place.size", "empty"): 300 if gone else 6}))
        kept.look(24)
        before = kept.incidents()
        kept.look(24 * 8 + 9)
        assert kept.incidents() == before
        kept.look(24 * 8 + 11)
        assert kept.incidents()[len(before) :] == [("defaults", "place.size", 24 * 8 + 11, None)]


def test_traffic_that_is_gone(shop: Tiny) -> None:
    """Nights are quiet and no alarm; no event has to come to tell that none does."""
    with Kept(shop, only("{watch: traffic}")) as kept:
        for hour in range(24 * 6):
            day = 8 + (hour > 24 * 3) <= hour % 24 < 20  # the clocks are put back once
            gone = 24 * 5 + 10 <= hour < 24 * 5 + 13
            if day and not gone:
                kept.put(hour, asked(500))
        kept.look(24 * 5 + 9)
        assert kept.incidents() == []
        kept.look(24 * 5 + 11)
        assert kept.incidents() == [("traffic", "requests", 24 * 5 + 11, None)]
        kept.look(24 * 6)
        assert kept.incidents() == [("traffic", "requests", 24 * 5 + 11, 24 * 5 + 14)]


def test_the_share_of_a_route(shop: Tiny) -> None:
    with Kept(shop, only("{watch: route_share, route: challenger, above: .2}")) as kept:
        kept.put(0, asked(1000, routes={"champion": 850, "challenger": 150}))
        kept.put(1, asked(1000, routes={"champion": 700, "challenger": 300}))
        kept.look(1)
        assert kept.incidents() == [("route_share", "challenger", 2, None)]


def test_worse_and_turned_around(shop: Tiny) -> None:
    """From the fifteenth day on twice as many come true; from the thirtieth, the opposite."""
    rng = np.random.default_rng(5)
    declared = only("{watch: change}", "{watch: metric, metric: auc, below: .5}")
    with Kept(shop, declared) as kept:
        for day in range(34):
            p = rng.beta(2, 5, 400)
            truth = np.where(day < 15, p, np.minimum(2 * p, 1)) if day < 30 else 1 - p
            kept.put(24 * day, labelled(p, rng.random(400) < truth))
        kept.look(24 * 30 - 1)
        [(condition, subject, opened, closed)] = kept.incidents()
        assert (condition, subject, closed) == ("change", "calibration", None)
        assert 24 * 17 <= opened <= 24 * 21
        kept.look(24 * 34 - 1)
        assert kept.incidents()[1:] == [("metric", "auc", 24 * 31, None)]
        turned = kept.look(24 * 34 - 1)[1]
        assert turned.why.endswith("labels or answers are the wrong way round")
        assert (hours(turned.since), turned.version) == (24 * 30, "2")


def test_an_incident_of_a_version_ends_with_it(shop: Tiny) -> None:
    with Kept(shop, only("{watch: metric, metric: log_loss, above: .8}")) as kept:
        bad, good = labelled([0.1] * 200, [1, 0] * 100), labelled([0.5] * 200, [1, 0] * 100)
        kept.put(0, bad)
        kept.put(24, good, "3")
        kept.look(24)
        assert kept.incidents() == [("metric", "log_loss", 24, None)]
        [ended] = kept.look(47)
        assert (ended.version, ended.ended) == ("2", "version 2 answers no more")


def test_what_is_declared_no_more_closes(shop: Tiny) -> None:
    with Kept(shop, only("{watch: error_share}")) as kept:
        kept.put(0, asked(300, statuses={"500": 100}))
        kept.put(1, asked(300, statuses={"500": 100}))
        kept.look(0)
        kept.declare(only("{watch: drift}"))
        [closed] = kept.look(1)
        assert closed.ended == "the condition is declared no more"


def test_what_is_silent_for_a_week_closes(shop: Tiny) -> None:
    with Kept(shop, only("{watch: error_share}")) as kept:
        kept.put(0, asked(300, statuses={"500": 100}))
        kept.put(24 * 9, asked(1))
        kept.look(24 * 9)
        assert kept.incidents() == [("error_share", "requests", 1, 24 * 7 + 1)]


def test_notices_are_by_group_and_look(shop: Tiny) -> None:
    """A store that is away makes all its features defaults: one notice names them all."""
    with Kept(shop, only("{watch: defaults, group: serving}", "{watch: error_share}")) as kept:
        for hour in range(40):
            away = 300 if 30 <= hour < 32 else 0
            names = ("weather.temp", "weather.sky", "place.size")
            kept.put(hour, asked(300, defaults={(name, "missing"): away for name in names}))
        kept.look(39)
        with Watch.open(shop.project, "binary") as watch:
            found = watch.environment.read(lambda txn: [w for _, w in state.waiting(txn)])
    opened, closed = (one.notice for one in found)
    assert sorted(i.subject for i in opened.opened) == ["place.size", "weather.sky", "weather.temp"]
    assert (opened.group, opened.severity, opened.closed) == ("serving", "ticket", [])
    assert len(closed.closed) == 3
    assert found[0].channels == ["log"]
    assert opened.text.splitlines()[0] == "[ticket] tiny/binary serving: 3 open"


def test_looking_often_or_once_is_the_same(tiny: Tiny, shop: Tiny) -> None:
    rng = np.random.default_rng(7)
    cells = [asked(300, statuses={"500": int(n)}) for n in rng.integers(0, 40, 100)]
    found = []
    for every in (1, 7, 100):
        with Kept(tiny.copy(shop.root / f"every{every}"), "[{watch: error_share}]") as kept:
            for hour, cell in enumerate(cells):
                kept.put(hour, cell)
            for hour in range(0, 100, every):
                kept.look(hour)
            kept.look(99)
            found.append(kept.incidents())
    assert found[0] == found[1] == found[2]
    assert len(found[0]) > 3


def test_the_state_says_its_format(shop: Tiny) -> None:
    from sluice.environment import acquire, release
    from sluice.errors import DeclarationError
    from sluice.windows.open import folder

    file = state.state_file(folder(shop.project), "binary")
    newer = acquire(file, state.KIND)
    newer.write(lambda txn: txn.put(b"format", b"sluice.alerts 2"))
    release(newer)
    with Kept(shop), pytest.raises(DeclarationError, match="is 2"):
        Watch.open(shop.project, "binary")
