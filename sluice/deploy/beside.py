"""What works for a graph beside what answers: who teaches its policy and its correction, and who
counts its events.

`sluice learn GRAPH` where the policy of the router learns, `sluice correction learn GRAPH` where a
rule is a correction, `sluice monitor GRAPH` wherever predictions are events.
"""

from __future__ import annotations

from contextlib import closing

from sluice.correction.open import correction_ledger, correction_of
from sluice.correction.plan import found_in
from sluice.project import Project
from sluice.routing.learning import Learning
from sluice.routing.open import ROUTER, learning_policy, router_policy
from sluice.service import read_spec
from sluice.stores import reward_ledger

LEARN, CORRECTION, MONITOR = "learn", "correction", "monitor"
# The words of each command, behind `sluice`; the graph's name follows.
COMMANDS = {LEARN: ("learn",), CORRECTION: ("correction", "learn"), MONITOR: ("monitor",)}


def teachers(project: Project, graph: str) -> tuple[str, ...]:
    """Who teaches a graph: learn, correction, both or nobody.

    Raises DeclarationError for a policy or a correction that is wrong.
    """
    found = ((LEARN, learns(project, graph)), (CORRECTION, corrects(project, graph)))
    return tuple(role for role, needed in found if needed)


def learns(project: Project, graph: str) -> bool:
    """Whether the policy of a graph's router learns. Raises DeclarationError for a wrong one."""
    steps = read_spec(project, graph).steps
    routed = any((step.class_name or "").endswith(ROUTER) for step in steps)
    return routed and isinstance(router_policy(project, graph), Learning)


def corrects(project: Project, graph: str) -> bool:
    """Whether a rule of a graph is a correction. Raises DeclarationError for a wrong one."""
    if all(found_in(step.class_args) is None for step in read_spec(project, graph).steps):
        return False
    correction_of(project, graph)
    return True


def check_ledgers(project: Project, graph: str) -> None:
    """Whether who teaches would find the ledgers from here, before anything is started.

    Raises StoreUnavailable, DeclarationError, SluiceError.
    """
    if learns(project, graph):
        policy = learning_policy(project, graph)
        reward_ledger(project, graph, policy.memory).close()
    if corrects(project, graph):
        plan = correction_of(project, graph)
        with closing(correction_ledger(project, graph, plan)):
            pass
