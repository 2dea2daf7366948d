"""The plan that a graph's router declares."""

from __future__ import annotations

from sluice.canary.plan import Plan
from sluice.errors import DeclarationError
from sluice.project import Project
from sluice.routing.canary import Canary
from sluice.routing.open import router_policy

_EXACT = 1e-9


def declared_plan(project: Project, graph: str, percentages: bool) -> Plan:
    """What the router's policy says; `percentages`: a gateway's, its shares are whole ones.

    Raises DeclarationError, also for another policy.
    """
    policy, file = router_policy(project, graph), project.graph_file(graph)
    if not isinstance(policy, Canary):
        problem, hint = f"the router's policy is {policy.policy}", "docs/routing/canary.md"
        raise DeclarationError(file, "router.class_args.policy", problem, f"policy: canary; {hint}")
    shares = [100 * stage.share for stage in policy.plan.stages]
    if percentages and any(abs(share - round(share)) > _EXACT for share in shares):
        problem = "a gateway's shares are whole percentages"
        raise DeclarationError(file, "router.class_args.stages", problem)
    return policy.plan
