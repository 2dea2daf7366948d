"""Who asked an MLRun function before its graph was imported, and goes on asking as they did.

parameters:
  sluice:
    mlrun:
      name: m1                    # model_name of the answer where the caller names no model
      outputs: label              # which part of an output they know: label, probabilities or
                                  # prediction, alone
      models: {m1: m1, "m2:v3": m2-v3}  # what they call a model: its alias
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sluice.declaration import Section
from sluice.graph import Graph
from sluice.protocol import mlrun_v2

OUTPUTS = ("label", "probabilities", "prediction")


class Callers:
    """How the callers of one graph name models, and what they are answered in MLRun's protocol.

    Args:
        graph: its name.
        name: of the model that answers who names none.
        outputs: the part of an output that stands for it; empty: all of it.
        models: the alias of each model that they name.
    """

    def __init__(
        self, graph: str, name: str = "", outputs: str = "", models: Mapping[str, str] | None = None
    ) -> None:
        self._graph, self._name, self._outputs = graph, name or graph, outputs
        self._models = dict(models or {})
        self._names = {alias: name for name, alias in self._models.items()}

    @classmethod
    def of(cls, graph: Graph) -> Callers:
        """The callers that a graph's parameters declare. Raises DeclarationError."""
        own = graph.parameters.get("sluice") or {}
        section = Section(own.get("mlrun") or {}, graph.spec.file, "spec.parameters.sluice.mlrun")
        if not section.names:
            return cls(own.get("graph", graph.name))
        models = section.section("models", {})
        callers = cls(
            own["graph"],
            section.take("name", str, ""),
            section.choose("outputs", OUTPUTS),
            {name: models.take(name, str) for name in models.names},
        )
        section.done()
        return callers

    def meant(self, model: str, version: str | None, operation: str) -> tuple[str, str | None, str]:
        """Graph, version and operation of a path under /v2/models, where they name a model of
        theirs; otherwise what was given."""
        named = f"{model}:{version}" if version else model
        if named in self._models:
            return self._graph, self._models[named], operation
        if self._models and version is None and not operation and model in ("infer", "predict"):
            return self._graph, None, model
        return model, version, operation

    def pin(self, body: Any) -> str | None:
        """The alias of the model that a body names, as MLRun's router takes it from there."""
        named = body.get("model") if self._models else None
        return self._models.get(named) if isinstance(named, str) else None

    def wrap(self, reply: dict[str, Any], pin: str | None = None) -> dict[str, Any]:
        """The reply in MLRun's shape, to who asked for the alias `pin`, or for none; for such
        callers each output is the part that they know."""
        wrapped = mlrun_v2.wrap(reply)
        if self._outputs:
            wrapped["outputs"] = [self._bare(output) for output in wrapped["outputs"]]
            wrapped["model_name"] = self._names.get(pin or "", self._name)
        return wrapped

    def _bare(self, output: dict[str, Any]) -> Any:
        if "error" in output:
            return output
        if self._outputs == "probabilities" and "probabilities" not in output:
            second = output["probability"]
            return [1.0 - second, second]
        part = output[self._outputs]
        return list(part.values()) if self._outputs == "probabilities" else part
