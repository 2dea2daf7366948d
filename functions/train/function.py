"""Train: the jobs from features to a champion, each an MLRun job and a plain function.

Every job returns a small dictionary; where MLRun gives it a context, it logs it as results.
"""

# MLRun evaluates annotations that are strings, and knows only builtins: no annotations from
# __future__ in this file.

import json
import sys
from collections.abc import Mapping
from contextlib import closing
from functools import partial
from typing import Any

import msgspec

from sluice.application import Application
from sluice.errors import GateFailed
from sluice.features.materialise import materialise as fill
from sluice.gate import Gate
from sluice.live import CHAMPION
from sluice.loop.data_trainer import DataTrainer
from sluice.loop.trainer import Order
from sluice.mlrun_jobs import logged
from sluice.models.golden import Golden
from sluice.models.store import resolve
from sluice.parameters import Parameters
from sluice.project import Project
from sluice.replay import GOLDEN_FILE
from sluice.service import Service, read_spec
from sluice.training.dataset import build_dataset
from sluice.training.fit import Fitted
from sluice.training.fits import Fits, best_of, over
from sluice.training.training import load_training


def materialise(context: Any = None, graph: str = "") -> dict[str, Any]:
    """Fill the online store from the sources that a graph's features.yaml names."""
    project, parameters = _graph(graph)
    application = Application.open(project, parameters)
    counts = fill(application.definitions, project.root, application.features)
    application.close()
    return logged(context, {"rows": sum(counts.values()), "entities": counts})


def train(
    context: Any = None, graph: str = "", window: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Fit every candidate, log each as a version; `best` did best on the holdout."""
    project, parameters = _graph(graph)
    training = over(load_training(project, parameters), window)
    with closing(Application.open(project, parameters)) as application:
        data = build_dataset(application.definitions, training, project.root, training.window)
        fits = Fits(project, application, training, data)
        made = fits.fit(tell=partial(_tell, context, parameters.graph))
    result = {"best": best_of(made, training.compared_by), "rows": len(data)}
    metrics = {f"{one.candidate}.{k}": v for one in made.values() for k, v in one.metrics.items()}
    return logged(context, {**result, "versions": list(made), **metrics})


def retrain(
    context: Any = None, graph: str = "", order: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Train again, and compare with versions that there are on requests that none was fitted on.

    `order` holds the fields of sluice.loop.trainer.Order. Each candidate is fitted on the requests
    before `since` and scored on those from then on, as the versions `against` are; then it is
    fitted again on all, and logged. Raises GateFailed where there is too little to compare by.
    """
    asked = msgspec.convert(order or {}, Order)
    project, parameters = _graph(graph)
    training, root = load_training(project, parameters), project.root
    with closing(Application.open(project, parameters)) as application:
        data = partial(build_dataset, application.definitions, training, root)
        tell = partial(_tell, context, parameters.graph)
        trainer = DataTrainer(project, application, training, data, tell)
        result = msgspec.to_builtins(trainer.train(asked))
    return logged(context, result)


def gate(context: Any = None, graph: str = "", version: str = "") -> dict[str, Any]:
    """Replay a version's training rows through the serving path. Raises GateFailed."""
    project, parameters = _graph(graph)
    application = Application.open(project, parameters)
    number = resolve(application.models, parameters.graph, str(version))
    evidence = Gate.of(project, application).check(number, progress=True)
    application.close()
    if context is not None:
        context.log_artifact("parity", body=json.dumps(evidence, indent=1), format="json")
    return logged(context, evidence)


def promote(context: Any = None, graph: str = "", version: str = "") -> dict[str, Any]:
    """Make a version champion, if the gate lets it pass."""
    project, parameters = _graph(graph)
    application = Application.open(project, parameters)
    number = resolve(application.models, parameters.graph, str(version))
    evidence = Gate.of(project, application).check(number)
    application.models.promote(parameters.graph, number, CHAMPION, {"parity": evidence}, "workflow")
    application.close()
    return logged(context, {"champion": number})


def smoke_test(context: Any = None, graph: str = "") -> dict[str, Any]:
    """Ask the champion, as it is served, its golden requests. Raises GateFailed."""
    project, parameters = _graph(graph)
    with Service.open(project, parameters.graph) as service:
        champion = service.application.live().champion
        stored = service.application.models.read(parameters.graph, champion.number)
        golden = Golden.load(stored.files[GOLDEN_FILE])
        outputs = service.predict([c.record for c in golden.cases], version=CHAMPION)
    failed = [o["error"] for o in outputs if "error" in o]
    if failed:
        raise GateFailed("smoke test", failed[0], outputs)
    return logged(context, {"answered": len(outputs), "first": outputs[0]})


def _graph(graph: str) -> tuple[Project, Parameters]:
    project = Project.find()
    spec = read_spec(project, graph or project.settings.graph)
    return project, Parameters.parse(spec.parameters.get("sluice"), spec.file)


def _tell(context: Any, graph: str, number: str, name: str, fitted: Fitted) -> None:
    """Say what was made to who watches, and to MLRun."""
    figures = ", ".join(f"{metric} {value:.4f}" for metric, value in fitted.metrics.items())
    told = f"version {number}: {name}, {figures}"
    print(told, file=sys.stderr, flush=True)  # noqa: T201
    if context is not None:
        draft = fitted.draft
        context.log_model(
            f"{graph}-{number}",
            body=fitted.files[draft.model_file],
            model_file=draft.model_file,
            framework=draft.model_format,
            metrics=dict(fitted.metrics),
        )
