"""What a graph may declare of its monitor."""

from __future__ import annotations

from typing import Any

import pytest

from sluice.declaration import Section
from sluice.errors import DeclarationError
from sluice.windows.declared import MonitorParameters, Segment


def parse(data: Any) -> MonitorParameters:
    return MonitorParameters.parse(Section(data, "graph.yaml", "monitor"))


def test_all_of_it_is_optional() -> None:
    assert parse({}) == MonitorParameters()


def test_what_is_declared() -> None:
    found = parse(
        {
            "window": "15m",
            "segments": [
                "origin",
                {"field": "carrier", "most": 8},
                {"field": "c", "values": ["x"]},
            ],
            "horizon": "2d",
            "keep": {"windows": "1d", "days": "30d"},
        }
    )
    assert found.segments == (Segment("origin"), Segment("carrier", 8), Segment("c", 20, ("x",)))
    times = (found.window_s, found.horizon_s, found.keep_s, found.keep_days_s)
    assert times == (900, 172_800, 86_400, 30 * 86_400)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"window": "7m"}, "monitor.window: expected 1m to 1d that divide a day"),
        ({"window": "2d"}, "monitor.window: expected"),
        ({"windows": "1h"}, "monitor.windows: unknown field"),
        ({"horizon": "1s"}, "monitor.horizon: expected 0.0006944d to 366d, found 1s"),
        ({"keep": {"windows": "1h"}}, "monitor.keep.windows: expected 1d to"),
        ({"keep": {"windows": "9d", "days": "8d"}}, "monitor.keep.days: expected 9d to"),
        ({"keep": {"hours": "9d"}}, "monitor.keep.hours: unknown field"),
        ({"segments": "origin"}, "monitor.segments: expected a list"),
        ({"segments": ["a", "a"]}, "monitor.segments: names a field twice"),
        ({"segments": [3]}, r"monitor.segments\[0\]: expected a mapping"),
        ({"segments": [{"most": 3}]}, r"monitor.segments\[0\].field: is missing"),
        ({"segments": [{"field": "a", "most": 0}]}, r"segments\[0\].most: expected 1 to 1000"),
        ({"segments": [{"field": "a", "values": [1]}]}, r"segments\[0\].values: expected up to"),
        ({"segments": [{"field": "a", "values": ["x" * 201]}]}, "texts of 200 bytes"),
    ],
)
def test_what_is_wrong_is_named(data: Any, problem: str) -> None:
    with pytest.raises(DeclarationError, match=problem):
        parse(data)
