"""What learns for a graph, beside its functions: `sluice learn GRAPH`, where its policy learns."""

from __future__ import annotations

from sluice.deploy.cluster import container, temporary
from sluice.deploy.function import Graph, Resource, metadata, pod_security, selector
from sluice.project import Project
from sluice.routing.learning import Learning
from sluice.routing.open import ROUTER, learning_policy, router_policy
from sluice.service import read_spec
from sluice.stores import reward_ledger

ROLE = "learn"


def learns(project: Project, graph: str) -> bool:
    """Whether the policy of a graph's router learns. Raises DeclarationError for a wrong one."""
    steps = read_spec(project, graph).steps
    routed = any((step.class_name or "").endswith(ROUTER) for step in steps)
    return routed and isinstance(router_policy(project, graph), Learning)


def check_learner(project: Project, graph: str) -> None:
    """Whether what learns would find its ledger from here, before anything is started.

    Raises StoreUnavailable, DeclarationError, SluiceError.
    """
    policy = learning_policy(project, graph)
    reward_ledger(project, graph, policy.memory).close()


def learner(graph: Graph) -> Resource:
    """Its Deployment. Several share the work by their consumer group."""
    name, size = f"{graph.name}-{ROLE}", graph.deploy.functions[ROLE]
    about = metadata(graph, name, ROLE)
    pod = {
        "serviceAccountName": "sluice-functions",
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 30,
        "securityContext": pod_security(),
        "containers": [container(graph, ROLE, size.image or "sluice-serving", size)],
        "volumes": [temporary()],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": about,
        "spec": {
            "replicas": max(1, size.least),
            "selector": {"matchLabels": selector(name)},
            "template": {"metadata": {"labels": about["labels"]}, "spec": pod},
        },
    }
