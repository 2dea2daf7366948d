"""servers.yaml: the MLRun model servers whose code the versions of a graph may run.

format: 1
servers:
  m1:                                  # what a version names
    model: m1                          # the step whose class_arg model_path is the version's files
    inputs: lists                      # what a request's inputs are: lists, or records
    spec:                              # as in graph.yaml: an MLRun function's spec
      parameters: {…}                  # get_param's
      graph:
        steps:
          m1: {class_name: package.module.ClassifierModel}

A version holds files, and the name of a server; which code runs, and that any may run, is said
here, in the project.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sluice.declaration import Section, read_yaml
from sluice.errors import DeclarationError, nearest
from sluice.graph.spec import GraphSpec, StepSpec

FORMAT = 1
INPUTS = ("lists", "records")


@dataclass(frozen=True)
class Server:
    """One model server: the steps that a request passes, the `model` among them.

    `lists`: whether inputs are lists of values in the record's order, rather than records.
    """

    spec: GraphSpec
    model: str
    lists: bool

    def at(self, path: str) -> GraphSpec:
        """The steps, the model's files being at `path`."""
        return replace(self.spec, steps=tuple(self._placed(s, path) for s in self.spec.steps))

    def _placed(self, step: StepSpec, path: str) -> StepSpec:
        if step.name != self.model:
            return step
        return replace(step, class_args={**step.class_args, "model_path": path})


def read_server(file: Path, name: str) -> Server:
    """A server by its name. Raises DeclarationError."""
    top = Section(read_yaml(file), file)
    version = top.take("format", int)
    if version != FORMAT:
        raise top.error("format", f"{version} is not read by this Sluice", f"it reads {FORMAT}")
    servers = top.sections("servers")
    top.done()
    if name not in servers:
        raise top.error("servers", f"there is no {name!r}", nearest(name, servers))
    return _server(servers[name], name)


def _server(section: Section, name: str) -> Server:
    model = section.take("model", str)
    lists = section.choose("inputs", INPUTS) == "lists"
    function: Any = {
        "kind": "serving",
        "metadata": {"name": name},
        "spec": section.take("spec", dict),
    }
    section.done()
    spec = GraphSpec.parse(function, section.file)
    if model not in [step.name for step in spec.steps]:
        names = [step.name for step in spec.steps]
        raise DeclarationError(
            section.file, f"{section.where}.model", f"no step {model!r}", nearest(model, names)
        )
    return Server(spec, model, lists)
