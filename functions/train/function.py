"""Train: the jobs from features to a champion, each an MLRun job and a plain function.

Every job returns a small dictionary; where MLRun gives it a context, it logs it as results.
"""

# MLRun evaluates annotations that are strings, and knows only builtins: no annotations from
# __future__ in this file.

import json
import sys
from collections.abc import Collection, Mapping
from typing import Any

from sluice.application import Application
from sluice.errors import DeclarationError, GateFailed
from sluice.features.materialise import materialise as fill
from sluice.gate import Gate
from sluice.live import CHAMPION
from sluice.mlrun_jobs import logged
from sluice.models.golden import Golden
from sluice.models.store import resolve
from sluice.parameters import Parameters
from sluice.project import Project
from sluice.replay import GOLDEN_FILE
from sluice.service import Service, read_spec
from sluice.training.dataset import build_dataset
from sluice.training.fit import Fitted, Fitting
from sluice.training.training import Training, load_training


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
    training, seed = load_training(project, parameters), project.settings.seed
    application = Application.open(project, parameters)
    definitions, models = application.definitions, application.models
    data = build_dataset(definitions, training, project.root, {**training.window, **(window or {})})
    candidates = training.candidates(seed)
    _refuse_incomparable(training, candidates, len(data))
    fitting = Fitting(training, definitions, data, seed)
    made: dict[str, tuple[str, Mapping[str, float]]] = {}
    for name, candidate in candidates.items():
        fitted = fitting.fit(name, candidate)
        number = models.log(parameters.graph, fitted.draft, fitted.files)
        made[number] = (name, fitted.metrics)
        _log_model(context, f"{parameters.graph}-{number}", fitted)
        told = f"version {number}: {name}, {_shown(fitted.metrics)}"
        print(told, file=sys.stderr, flush=True)  # noqa: T201 (what a person watches)
    application.close()
    best = min(made, key=lambda n: made[n][1].get(training.compared_by, 0.0))  # one needs none
    metrics = {f"{made[n][0]}.{k}": v for n in made for k, v in made[n][1].items()}
    result = {"best": best, "versions": list(made), "rows": len(data), **metrics}
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


def _refuse_incomparable(training: Training, candidates: Collection[str], rows: int) -> None:
    """Without a holdout nothing says which of many candidates is best."""
    if not candidates:
        raise DeclarationError("training", "candidates", "there are none")
    if len(candidates) > 1 and not round(rows * training.holdout):
        problem = f"{training.holdout} of {rows} rows leaves none to compare on"
        hint = f"there are {', '.join(candidates)}: a larger share, or one candidate"
        raise DeclarationError("training", "holdout", problem, hint)


def _shown(metrics: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())


def _log_model(context: Any, key: str, fitted: Fitted) -> None:
    if context is not None:
        draft = fitted.draft
        context.log_model(
            key,
            body=fitted.files[draft.model_file],
            model_file=draft.model_file,
            framework=draft.model_format,
            metrics=dict(fitted.metrics),
        )
