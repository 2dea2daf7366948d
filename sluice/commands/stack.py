"""sluice stack GRAPH: fit how much each member of an ensemble says, and print the declaration."""

from __future__ import annotations

import argparse
import json
from typing import Any

import numpy as np
import numpy.typing as npt

from sluice.application import Application
from sluice.commands.show import say
from sluice.errors import RequestError
from sluice.live import Live
from sluice.parameters import Parameters
from sluice.project import Project
from sluice.routing.ensemble_stack import Stack, fit_stack
from sluice.service import read_spec


def add_to(groups: Any) -> None:
    """Declare the command."""
    text = "fit a stack of live versions on labelled requests that they were not trained on"
    parser = groups.add_parser("stack", help=text, description=text)
    add = parser.add_argument
    add("graph", help="the graph's name")
    add("--members", required=True, nargs="+", metavar="ALIAS", help="of live versions")
    text = "of the labelled requests, as training takes it: start=2013-04-01 end=2013-05-01"
    add("--window", required=True, nargs="+", metavar="NAME=VALUE", help=text)
    parser.set_defaults(command=stack)


def stack(options: argparse.Namespace) -> None:
    """Fit, and print what goes into the router's class_args."""
    from sluice.training.dataset import build_dataset
    from sluice.training.training import load_training

    project = Project.find()
    spec = read_spec(project, options.graph)
    parameters = Parameters.parse(spec.parameters.get("sluice"), spec.file)
    training = load_training(project, parameters)
    application = Application.open(project, parameters)
    try:
        live = application.live()
        window = dict(map(_item, options.window))
        data = build_dataset(application.definitions, training, project.root, window)
        labels = _labels(live, data.labels)
        scores = {name: _scores(live, name, data.table) for name in options.members}
    finally:
        application.close()
    _show(fit_stack(scores, labels, bool(live.champion.manifest.classes)), len(labels))


def _item(text: str) -> tuple[str, Any]:
    """NAME=VALUE; digits are a whole number."""
    name, _, value = text.partition("=")
    return name, int(value) if value.isdigit() else value


def _scores(live: Live, name: str, columns: Any) -> npt.NDArray[Any]:
    version = live.version(name)
    if version.manifest.classes != live.champion.manifest.classes:
        raise RequestError(f"{name} answers other classes than the champion")
    scores: npt.NDArray[Any] = version.model.predict(version.transform.transform(columns))
    return scores[:, 0]


def _labels(live: Live, labels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """As numbers: of two classes, 1 for the second."""
    classes = live.champion.manifest.classes
    if not classes:
        numbers: npt.NDArray[Any] = labels.astype(np.float64)
        return numbers
    if len(classes) != 2:
        raise RequestError(f"{live.graph} has {len(classes)} classes: a stack is for two, or none")
    second: npt.NDArray[Any] = (labels == classes[1]).astype(np.float64)
    return second


def _show(found: Stack, rows: int) -> None:
    declared = {
        "policy": "ensemble",
        "combine": found.combine,
        "members": found.weights,
        "bias": found.bias,
    }
    of = "log loss" if found.combine == "logistic" else "mean squared error"
    say(f"# {rows} rows: {of} {found.loss:.4f}, of the plain mean {found.mean_loss:.4f}")
    say(f"class_args: {json.dumps(declared)}")
