"""The models of a simulation: the first ones, and what trains others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from sluice.application import Application
from sluice.features.materialise import materialise
from sluice.live import CHAMPION, bind, load_version
from sluice.loop.data_trainer import DataTrainer
from sluice.loop.declared import Retrain
from sluice.loop.open import retrain_of
from sluice.parameters import Parameters
from sluice.project import Project
from sluice.service import Service
from sluice.simulation.plan import Plan
from sluice.training.dataset import Dataset, build_dataset
from sluice.training.fits import Fits, best_of
from sluice.training.training import Training, load_training

BY = "sluice simulate"


def prepare(project: Project, parameters: Parameters, plan: Plan) -> None:
    """Fill the simulation's store, and train the first models, unless there are some.

    Raises DeclarationError, and what training raises.
    """
    application = Application.open(project, parameters)
    try:
        if CHAMPION in application.models.aliases(plan.graph):
            return
        materialise(application.definitions, project.root, application.features, progress=False)
        training = _training(project, parameters, plan)
        data = build_dataset(application.definitions, training, project.root, training.window)
        made = Fits(project, application, training, data).fit(tag=BY)
        best = best_of(made, training.compared_by)
        numbers = {one.candidate: number for number, one in made.items()}
        # The champion is the last: with it all are there.
        for alias, candidate in reversed(plan.aliases.items()):
            number = numbers[candidate] if candidate else best
            application.models.promote(plan.graph, number, alias, None, BY)
    finally:
        application.close()


def first_alone(project: Project, parameters: Parameters, number: str) -> Service:
    """A service that answers with one version, whatever is promoted."""
    application = Application.open(project, parameters)
    version = load_version(
        application.models.read(parameters.graph, number), application.definitions
    )
    parts = parameters.graph, application.definitions, application.features
    live = bind(*parts, {number: version}, aliases={CHAMPION: number})
    return Service.open(
        project,
        parameters.graph,
        application=Application(
            parameters.graph, application.definitions, application.models, application.features,
            live=live,
        ),
    )  # fmt: skip


def trainer_of(
    project: Project, parameters: Parameters, plan: Plan, application: Application
) -> DataTrainer:
    """What trains again. The dataset of all the time is built once; of it a window's part is what
    was asked (as-of) from its first day to before its last, by UTC."""
    training, retrain = _training(project, parameters, plan), retrain_of(project, plan.graph)
    build = partial(build_dataset, application.definitions, training, project.root)
    if application.definitions.as_of is None:
        return DataTrainer(project, application, training, build)
    whole = build({**training.window, retrain.window.end: plan.end})
    data = partial(part, whole, retrain)
    return DataTrainer(project, application, training, data)


def part(whole: Dataset, retrain: Retrain, window: Mapping[str, Any]) -> Dataset:
    """Of a dataset what was asked within a window: days (UTC), the last is not in it."""
    end = _epoch(window[retrain.window.end])
    begin = _epoch(window[retrain.window.start]) if retrain.window.history_s else -np.inf
    return whole.rows(slice(*np.searchsorted(whole.as_of, [begin, end]).tolist()))


def _epoch(day: str) -> float:
    return float(np.datetime64(day, "s").astype(np.int64))


def _training(project: Project, parameters: Parameters, plan: Plan) -> Training:
    """The graph's training, of the plan's candidates. One alone needs no holdout."""
    training = load_training(project, parameters)
    if not plan.members:
        return training

    def candidates(seed: int) -> Mapping[str, Any]:
        all_ = training.candidates(seed)
        return {name: all_[name] for name in plan.members}

    return replace(training, candidates=candidates)
