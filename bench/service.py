"""The bench's graph in this process, with settings and class_args of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bench.prepare import GRAPH, bench_project
from sluice.application import Application
from sluice.graph import Graph
from sluice.parameters import Parameters
from sluice.service import Service, make_context, read_spec

Changes = Mapping[str, Mapping[str, Any]]  # class_args by step


def open_service(changes: Changes, **settings: Any) -> Service:
    """The service of flight-delay; `settings` are fields of sluice.settings.Settings."""
    project = bench_project()
    project = replace(project, settings=replace(project.settings, **settings))
    spec = read_spec(project, GRAPH)
    steps = [
        replace(step, class_args={**step.class_args, **changes.get(step.name, {})})
        for step in spec.steps
    ]
    spec = replace(spec, steps=tuple(steps))
    parameters = Parameters.parse(spec.parameters.get("sluice"), spec.file)
    context = make_context(project, spec, None)
    context.application = Application.open(project, parameters)
    return Service(Graph(spec, context=context, root=project.root), context.application)
