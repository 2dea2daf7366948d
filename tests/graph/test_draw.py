"""A graph, drawn."""

from __future__ import annotations

from sluice.graph.draw import draw
from sluice.graph.spec import GraphSpec, StepSpec
from tests.conftest import ROOT


def texts(spec: GraphSpec) -> list[str]:
    """What stands in the figure, in the order of drawing."""
    figure = draw(spec)
    figure.canvas.draw()
    return [text.get_text() for text in figure.axes[0].texts if text.get_text()]


def test_the_steps_stand_in_their_order() -> None:
    spec = GraphSpec.read(ROOT / "serving_graphs" / "flight_delay" / "graph.yaml")
    told = [text.split("\n") for text in texts(spec)]
    assert [name for name, _ in told] == [step.name for step in spec.steps]
    assert told[0] == ["enrich", "Enrich"]


def test_what_takes_over_stands_in_a_row_of_its_own() -> None:
    ask = StepSpec("ask", class_name="Ask", on_error="mend")
    spec = GraphSpec("g", "", (ask,), {"mend": (StepSpec("mend", handler="a.b.mend"),)})
    assert texts(spec) == ["ask\nAsk\non error: mend", "mend\nmend"]
    heights = [text.get_position()[1] for text in draw(spec).axes[0].texts if text.get_text()]
    assert heights[0] > heights[1]
