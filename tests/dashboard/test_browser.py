"""The page in Chromium: nothing is complained of, its numbers are the API's, it fits a phone."""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sluice.dashboard.server import DashboardServer
from tests.dashboard.browser import Page, chromium
from tests.dashboard.reading import lookup
from tests.dashboard.world import dashboard
from tests.windows.world import World

NUMBERS = """[...document.querySelectorAll('data[data-at]')].map(
    e => [e.getAttribute('data-at'), e.value, e.textContent])"""
# Of all texts the least contrast between their colour and the first ground behind them (WCAG 2).
CONTRAST = """(() => {
  const rgb = c => c.match(/[\\d.]+/g).map(Number);
  const light = c => { const [r, g, b] = rgb(c).map(
    v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const ground = e => { for (; e; e = e.parentElement) {
    const c = getComputedStyle(e).backgroundColor;
    if (rgb(c)[3] !== 0) return c; } return 'rgb(255,255,255)'; };
  let least = 99;
  for (const e of document.querySelectorAll('body *')) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue;
    const style = getComputedStyle(e), svg = e instanceof SVGElement;
    const a = light(svg ? style.fill : style.color), b = light(ground(e));
    least = Math.min(least, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05));
  }
  return least; })()"""


@pytest.fixture(scope="module")
def address(busy: World) -> Iterator[str]:
    with DashboardServer("127.0.0.1", 0, dashboard(busy), None) as server:
        yield f"http://127.0.0.1:{server.port}/dashboard"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with chromium(tmp_path_factory.mktemp("chromium")) as page:
        yield page


def api(address: str) -> Any:
    with urllib.request.urlopen(f"{address}/data.json", timeout=30) as reply:
        return json.loads(reply.read())


def test_numbers_are_the_apis_and_nothing_is_complained_of(page: Page, address: str) -> None:
    page.size(1200, 900)
    page.open(address)
    document, found = api(address), page.run(NUMBERS)
    assert len(found) > 300
    assert [(p, json.loads(v)) for p, v, _ in found] == [
        (p, lookup(document, p)) for p, _, _ in found
    ]
    requests = f"{document['traffic']['requests']:,}"
    assert any(p == "/traffic/requests" and text == requests for p, _, text in found)
    assert page.said == []


@pytest.mark.parametrize(
    ("width", "dark"), [(320, False), (390, True), (1200, False), (1200, True)]
)
def test_it_fits_and_can_be_read(page: Page, address: str, width: int, dark: bool) -> None:
    page.size(width, 900, dark=dark)
    page.open(address)
    assert page.run("document.documentElement.scrollWidth") <= width
    assert page.run(CONTRAST) >= 4.5
    assert page.said == []
    if folder := os.environ.get("PICTURES"):
        page.picture(Path(folder) / f"dashboard-{width}-{'dark' if dark else 'light'}.png")


def test_a_screen_reader_is_told_of_it(page: Page, address: str) -> None:
    page.size(1200, 900)
    page.open(address)
    nodes = page.accessible()
    roles = {node["role"] for node in nodes}
    assert {"banner", "navigation", "main", "contentinfo", "heading", "table", "region"} <= roles
    assert roles & {"image", "img"}
    for role in ("region", "image", "img", "combobox", "link", "button"):
        assert [n for n in nodes if n["role"] == role and not n["name"]] == [], role


def test_keys_lead_to_everything_that_can_be_done(page: Page, address: str) -> None:
    page.size(1200, 900)
    page.open(address)
    page.press("Tab")
    assert page.run("document.activeElement.textContent") == "Skip to the figures"
    assert page.run("document.activeElement.getBoundingClientRect().left") >= 0
    reached = set()
    for _ in range(60):
        page.press("Tab")
        reached.add(page.run("document.activeElement.tagName"))
        if page.run("document.activeElement.tagName") == "SUMMARY":
            break
    assert {"SELECT", "BUTTON", "A", "SUMMARY"} <= reached
    page.press("Enter")
    assert page.run("document.activeElement.parentElement.open") is True


def test_a_segment_is_chosen_by_the_form(page: Page, address: str) -> None:
    page.open(address)
    page.run("document.querySelector('select[name=version]').value = '2'")
    page.follow("document.querySelector('button').click()")
    assert "version=2" in page.run("location.search")
    assert page.run("document.querySelector('select[name=version]').value") == "2"
    assert page.said == []
