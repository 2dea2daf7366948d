"""docs/monitor.md: what it declares is read, what it names is there."""

from __future__ import annotations

import re

import yaml

from sluice.declaration import Section
from sluice.windows.declared import MonitorParameters
from sluice.windows.window import Window
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "monitor.md").read_text("utf-8")


def test_what_is_declared_is_read() -> None:
    [text] = re.findall(r"```yaml\n(.*?)```", PAGE, re.S)
    found = MonitorParameters.parse(Section(yaml.safe_load(text)["monitor"], "monitor.md"))
    assert [segment.field for segment in found.segments] == ["origin", "carrier", "dest"]
    defaults = MonitorParameters()
    assert found == MonitorParameters(segments=found.segments) != defaults


def test_the_figures_of_a_window_are_there() -> None:
    table = PAGE.partition("| of a window | |")[2].partition("## Metrics")[0]
    names = [
        n for cell in re.findall(r"^\| (.*?) \|", table, re.M) for n in re.findall(r"`(\w+)", cell)
    ]
    assert len(names) > 20
    for name in names:
        assert hasattr(Window, name) or name in Window.__annotations__, name
    public = {n for n in vars(Window) if not n.startswith("_")} | set(Window.__annotations__)
    assert public - set(names) == {"cell"}


def test_flights_are_told_apart_by_origin() -> None:
    graph = yaml.safe_load((ROOT / "serving_graphs/flight_delay/graph.yaml").read_text("utf-8"))
    declared = graph["spec"]["parameters"]["sluice"]["monitor"]
    found = MonitorParameters.parse(Section(declared, "graph.yaml"))
    assert [segment.field for segment in found.segments] == ["origin"]
