"""The policy that a graph's router has, and what learns for it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cache
from typing import Any

from sluice.errors import DeclarationError, NotFound, VersionRefused
from sluice.project import Project
from sluice.routing.learner import GROUP, Classes, Learner
from sluice.routing.learning import Learning
from sluice.routing.ledger import Ledger
from sluice.routing.policy import Policy, make_policy
from sluice.service import read_spec
from sluice.step import INJECTED
from sluice.stores import model_store, reward_ledger
from sluice.streams import Clock

ROUTER = ".Router"  # how the class of a router is called


def router_policy(project: Project, graph: str) -> Policy:
    """The policy in a graph's declaration. Raises DeclarationError."""
    spec = read_spec(project, graph)
    for step in spec.steps:
        if (step.class_name or "").endswith(ROUTER):
            params = {k: v for k, v in step.class_args.items() if k not in (*INJECTED, "shadow")}
            return make_policy(params.pop("policy", "champion"), params, f"{step.name}.class_args")
    raise DeclarationError(spec.file, "spec.graph.steps", "there is no router among the steps")


def learning_policy(project: Project, graph: str) -> Learning:
    """The same, of one that learns. Raises DeclarationError."""
    policy = router_policy(project, graph)
    if not isinstance(policy, Learning):
        problem = f"the router's policy {policy.policy} does not learn"
        hint = "docs/routing/learning.md lists those that do"
        raise DeclarationError(project.graph_file(graph), "router.class_args.policy", problem, hint)
    return policy


def topics(project: Project, graph: str) -> tuple[str, str]:
    """The topics of a graph's events and feedback."""
    return f"{project.name}.{graph}.events", f"{project.name}.{graph}.feedback"


def classes_of(project: Project, graph: str) -> Classes:
    """The classes of a version of a graph, by its number; it raises ValueError for none."""
    models = model_store(project)

    @cache
    def classes(version: str) -> Sequence[Any]:
        number = version.partition("+")[0]
        try:
            return models.manifest(graph, number).classes or ()
        except (NotFound, VersionRefused) as error:
            raise ValueError(f"its version is not known: {error}") from None

    return classes


def learner_group(graph: str, policy: Learning) -> str:
    """The group in which a graph's learners share the work: a policy whose sums mean something else
    reads all that there is anew."""
    return f"{GROUP}-{graph}-{policy.memory}"


def open_learner(
    project: Project, graph: str, policy: Learning, clock: Clock = time
) -> tuple[Learner, Ledger]:
    """The learner of a graph, and its ledger, to be closed. Raises StoreUnavailable."""
    ledger = reward_ledger(project, graph, policy.memory)
    return Learner(
        policy, ledger, classes_of(project, graph), topics(project, graph), clock
    ), ledger
