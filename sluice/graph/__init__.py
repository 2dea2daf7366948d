"""The graph engine: a named subset of MLRun's serving graphs, run without MLRun (docs/graph.md)."""

from sluice.graph.context import Context, ErrorStream
from sluice.graph.event import Event, Response, is_response
from sluice.graph.graph import Graph
from sluice.graph.spec import GraphSpec, StepSpec

__all__ = [
    "Context", "ErrorStream", "Event", "Graph", "GraphSpec", "Response", "StepSpec", "is_response",
]  # fmt: skip
