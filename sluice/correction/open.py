"""The correction of a project's graph, and what teaches it."""

from __future__ import annotations

import time
from functools import cache

import orjson

from sluice.correction.learner import CorrectionLearner, Spreads
from sluice.correction.plan import Plan, found_in
from sluice.correction.sums import spread_of
from sluice.errors import DeclarationError, NotFound, VersionRefused
from sluice.parameters import Parameters
from sluice.project import Project
from sluice.routing.ledger import Ledger
from sluice.routing.open import classes_of, topics
from sluice.service import read_spec
from sluice.stores import model_store, reward_ledger
from sluice.streams import Clock

_REFERENCE = "reference.json"


def correction_of(project: Project, graph: str) -> Plan:
    """The correction in a graph's declaration.

    Raises DeclarationError where there is none, and where its features do not get into the
    monitoring events, which it learns from.
    """
    spec = read_spec(project, graph)
    params = next((p for step in spec.steps if (p := found_in(step.class_args)) is not None), None)
    if params is None:
        hint = "docs/correction.md says how to declare one"
        raise DeclarationError(spec.file, "spec.graph.steps", "no rule is a correction", hint)
    plan = Plan.parse(params)
    redacted = Parameters.parse(spec.parameters.get("sluice"), spec.file).redact or {}
    for name in plan.features:
        if name in redacted:
            problem = f"features: {name} is redacted: labels can't be joined with it"
            raise DeclarationError(spec.file, "correction", problem)
    return plan


def correction_ledger(project: Project, graph: str, plan: Plan) -> Ledger:
    """Where its sums and snapshots are. Raises DeclarationError, StoreUnavailable."""
    return reward_ledger(project, graph, plan.memory)


def spreads_of(project: Project, graph: str) -> Spreads:
    """The spread of the numbers that a version predicts; it raises ValueError for none."""
    models = model_store(project)

    @cache
    def spread(version: str) -> float:
        number = version.partition("+")[0]
        try:
            files = models.read(graph, number).files
        except (NotFound, VersionRefused) as error:
            raise ValueError(f"its version is not known: {error}") from None
        return spread_of(orjson.loads(files[_REFERENCE])["scores"][0]["quantiles"])

    return spread


def open_correction_learner(
    project: Project, graph: str, plan: Plan, clock: Clock = time
) -> tuple[CorrectionLearner, Ledger]:
    """What teaches a graph's correction, and its ledger, to be closed. Raises StoreUnavailable."""
    ledger = correction_ledger(project, graph, plan)
    versions = classes_of(project, graph), spreads_of(project, graph)
    return CorrectionLearner(plan, ledger, versions, topics(project, graph), clock), ledger
