"""Whether what a graph declares of training again fits the graph."""

from __future__ import annotations

from typing import Any

from sluice.canary.declared import declared_plan
from sluice.errors import DeclarationError
from sluice.loop.declared import WHERE, Retrain
from sluice.parameters import Parameters
from sluice.project import Project
from sluice.training.training import METRICS, load_training


def check_retrain(project: Project, parameters: Parameters, file: Any) -> None:
    """Raises DeclarationError naming the field; candidates are looked at by the training itself."""
    retrain = Retrain.parse(parameters.retrain, file)
    training = load_training(project, parameters)
    if training.task == "ranking":
        problem = "versions of a ranking are not compared yet"
        raise DeclarationError(file, WHERE, problem, "train it by hand")
    if retrain.compare.by and retrain.compare.by not in METRICS[training.task]:
        problem = f"{retrain.compare.by!r} does not compare versions of a {training.task}"
        hint = ", ".join(METRICS[training.task])
        raise DeclarationError(file, f"{WHERE}.compare.by", problem, hint)
    if retrain.canary:
        declared_plan(project, parameters.graph, percentages=False)
