"""The page: its numbers are those of the JSON, nothing that it shows can do anything, and who
cannot see a chart has its table."""

from __future__ import annotations

import json
import re
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest

from sluice.alerts.notice import link
from sluice.alerts.watch import Watch
from sluice.dashboard.around import of_alerts
from sluice.dashboard.dashboard import KEPT_S, Dashboard
from sluice.dashboard.figures import Figures
from sluice.dashboard.look import Look
from sluice.dashboard.quality import drift
from sluice.errors import NotFound, RequestError
from sluice.windows.windows import Windows
from tests.dashboard.reading import Read, lookup
from tests.dashboard.world import DAYS, HOSTILE, dashboard
from tests.tiny import Tiny
from tests.windows.world import BEGAN, DAY, World, observation


def both(board: Dashboard, **query: str) -> tuple[Read, Any]:
    """The page and the JSON of a look."""
    return Read(board.page(query).body.decode()), json.loads(board.data(query).body)


@pytest.mark.parametrize("query", [{}, {"version": "2"}, {"until": "2024-01-06T12:00Z"}])
def test_numbers_of_the_page_are_those_of_the_json(board: Dashboard, query: dict[str, str]) -> None:
    page, document = both(board, **query)
    assert len(page.numbers) > 300
    assert page.numbers == {place: lookup(document, place) for place in page.numbers}
    sections = Counter(place.split("/")[1] for place in page.numbers)
    wanted = {"traffic", "steps", "drift", "performance", "routes", "defaults", "ages"}
    assert wanted | {"dead_letters"} <= set(sections)
    assert ("errors" in sections) is (query.get("version") is None)


def test_numbers_of_the_json_are_those_of_the_windows(busy: World, board: Dashboard) -> None:
    document = json.loads(board.data({}).body)
    with Windows.open(busy.project, "binary") as windows:
        day = windows.days(BEGAN + (DAYS - 1) * DAY)
        traffic = document["traffic"]
        assert traffic["requests"] == sum(w.requests for w in day) == 288
        assert traffic["failed"] == sum(sum(w.statuses.values()) for w in day) == 3
        [two] = [w for w in day if w.version == "2"]
        assert traffic["versions"][0]["p99_s"] == two.latency(99)
        by_name = {step["name"]: step for step in document["steps"]}
        assert list(by_name) == ["enrich", "transform", "router", "model", "postprocess"]
        assert by_name["model"]["runs"] == 288
        assert document["errors"] == [{"status": 503, "requests": 3, "share": 3 / 288}]
        [first, *_] = windows.days(BEGAN, BEGAN + DAY, "1")
        shown = document["performance"]["days"][0]
        assert (shown["version"], shown["labels"]) == ("1", first.labels)
        assert (shown["log_loss"], shown["auc"]) == (first.log_loss, first.auc)
    assert [d["feature"] for d in document["defaults"]] == ["weather.temp"]
    assert document["routes"][0]["share"] == 1.0
    assert document["counters"]["labels_joined"] == document["performance"]["labels"]


def test_a_feature_that_drifted_stands_first(board: Dashboard) -> None:
    page, document = both(board)
    [first, *_] = document["drift"]["features"]
    assert first["drifted"]
    assert first["name"] == "city"
    shares = [cell["share"] for cell in first["cells"]]
    assert sum(shares) == pytest.approx(1)
    assert "Drifted: city" in page.text
    assert "unknown categories: 0.0% → 7" in page.text


def test_incidents_have_the_place_that_notices_link_to(board: Dashboard, busy: World) -> None:
    page, document = both(board)
    with Watch.open(busy.project, "binary") as watch:
        kept = {incident.id: incident for incident in watch.incidents()}
    shown = document["alerts"]["incidents"]
    assert shown
    assert {incident["id"] for incident in shown} == set(kept)
    for incident in shown:
        assert incident["why"] == kept[incident["id"]].why
        assert incident["why"] in page.text
    places = {found.get("id") for _, found in page.elements}
    assert {link("", incident)[1:] for incident in kept.values()} <= places
    assert "incident" in page.text


def test_an_incident_of_a_redacted_field_does_not_quote_it(busy: World) -> None:
    incident = dashboard(busy).document(Look())["alerts"]["incidents"][-1]
    place = dashboard(busy)._maker.place
    found = of_alerts(place, [incident["subject"]])
    assert found is not None
    whys = {i["why"] for i in found["incidents"] if i["subject"] == incident["subject"]}
    assert whys == {"its values are redacted"}


def test_what_people_wrote_is_text_and_nothing_more(board: Dashboard) -> None:
    """The attack is the name of a segment, and so in the choice of segments too."""
    segment = f"city={HOSTILE}"
    for query in ({}, {"segment": segment}):
        page, document = both(board, **query)
        assert segment in document["segments"]
        assert page.text.count(segment) == 1
        assert page.all("script") == []
        assert page.all("img") == []
        assert not any(name.startswith("on") for _, found in page.elements for name in found)
    with pytest.raises(NotFound, match="no segment"):
        board.page({"segment": segment + "x"})


def test_a_hostile_category_of_the_reference_is_text(shop: Tiny) -> None:
    """Categories come from training data, which others write too."""
    cell = {"cell": HOSTILE, "count": 1, "share": 1.0, "expected": 0.5}
    feature = {
        "name": HOSTILE, "kind": "text", "cells": [cell, cell], "judged": False, "drifted": False,
        "why": HOSTILE,
    }  # fmt: skip
    found = {
        "version": HOSTILE, "why": "", "start": 0, "end": 60, "records": 1, "effect": 0.03,
        "features": [feature],
    }  # fmt: skip
    page = Read(str(drift(Figures({"drift": found}), Look())))
    assert page.all("script") == page.all("img") == []
    assert HOSTILE in page.text


def test_fields_that_are_redacted_are_not_shown(shop: Tiny) -> None:
    world = World(shop, "binary", "redact: {city: hash}\n      monitor: {segments: [city, member]}")
    world.produce(world.topic, world.events([observation("a", BEGAN)]))
    world.work()
    page, document = both(dashboard(world))
    assert document["segments"] == ["member=other"]
    names = [f["name"] for f in document["drift"]["features"]]
    assert "city" not in names
    assert "amount" in names
    assert "Aden" not in page.text, "a category of the reference"
    with pytest.raises(NotFound):
        dashboard(world).page({"segment": "city=other"})


def test_before_anything_was_counted_it_says_what_to_do(shop: Tiny) -> None:
    world = World(shop, "binary", "")
    page, document = both(dashboard(world))
    assert "Nothing has been counted yet" in page.text
    assert "sluice monitor binary" in page.text
    assert document["read_until"] is None
    assert document["aliases"][0]["alias"] == "champion"


def test_it_has_landmarks_headings_and_a_table_for_each_chart(board: Dashboard) -> None:
    page, _ = both(board)
    [html] = page.all("html")
    assert html["lang"] == "en"
    assert [len(page.all(name)) for name in ("header", "nav", "main", "footer", "h1")] == [1] * 5
    ids = Counter(found["id"] for _, found in page.elements if found.get("id"))
    assert set(ids.values()) == {1}
    for section in page.all("section"):
        assert section["aria-labelledby"] in ids
    levels = [int(name[1]) for name, _ in page.elements if name in ("h1", "h2", "h3")]
    assert all(b - a <= 1 for a, b in pairwise(levels))
    figures, charts = page.all("figure"), page.all("svg")
    assert len(figures) == len(charts) == len(page.all("figcaption"))
    assert all(svg["role"] == "img" and svg["aria-label"] for svg in charts)
    names = [name for name, _ in page.elements if name in ("figure", "svg", "table")]
    after = [names[place + 1 :] for place, name in enumerate(names) if name == "svg"]
    assert all(rest[0] == "table" for rest in after), "each chart has a table beside it"
    assert all(th.get("scope") for th in page.all("th"))
    assert len(page.all("caption")) == len(page.all("table"))


def test_it_needs_nothing_from_elsewhere(board: Dashboard) -> None:
    answer = board.page({})
    page = Read(answer.body.decode())
    assert page.all("script") == []
    places = [v for _, found in page.elements for n, v in found.items() if n in ("href", "src")]
    assert all(p and p.startswith(("#", "/dashboard", "data:,")) for p in places)
    assert not any("style" in found for _, found in page.elements)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script" not in policy
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_look_is_kept_for_some_seconds(busy: World) -> None:
    now = [0.0]
    board = dashboard(busy, clock=lambda: now[0])
    first = board.document(Look())
    assert board.document(Look(every=10)) is first
    assert board.document(Look(version="1")) is not first
    now[0] = KEPT_S
    assert board.document(Look()) is not first
    for n in range(20):
        board.document(Look(until=BEGAN + n))
    assert len(board._kept) <= 8


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ({"version": "9"}, NotFound),
        ({"segment": "city=nowhere"}, NotFound),
        ({"until": "soon"}, RequestError),
        ({"every": "1"}, RequestError),
        ({"version": "x" * 400}, RequestError),
    ],
)
def test_what_there_is_not_is_an_error(
    board: Dashboard, query: dict[str, str], error: type[Exception]
) -> None:
    with pytest.raises(error):
        board.page(query)


def test_it_asks_again_by_itself_when_somebody_wants_that(board: Dashboard) -> None:
    assert board.page({"every": "10"}).headers["Refresh"] == "10"
    assert "Refresh" not in board.page({}).headers


def test_cells_of_times_are_times(board: Dashboard) -> None:
    document = json.loads(board.data({}).body)
    [times] = [f for f in document["drift"]["features"] if f["name"] == "time"]
    cells = [cell["cell"] for cell in times["cells"]]
    assert cells[-1] == "null"
    for cell in cells[:-1]:
        assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d0", cell)
        assert "e+" not in cell
