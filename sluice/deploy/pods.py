"""What runs in pods of its own, beside a graph's functions: a command of ours, nothing of Nuclio's.

The batch pattern and the loop on a schedule, and what teaches as long as the graph is deployed.
"""

from __future__ import annotations

from collections.abc import Sequence

from sluice.deploy.beside import COMMANDS
from sluice.deploy.declared import Job, Size
from sluice.deploy.function import (
    HOME,
    Function,
    Graph,
    Resource,
    environment,
    metadata,
    pod_security,
    selector,
    volumes,
)

# What a command does not use, its pod does not get.
_UNUSED = {
    "batch": ("SLUICE_STREAM",),
    "loop": ("SLUICE_STREAM",),
    "learn": ("SLUICE_STREAM", "SLUICE_DATABASE"),
    "correction": ("SLUICE_STREAM", "SLUICE_DATABASE"),
}


def batch_job(graph: Graph, batch: Job) -> Resource:
    """The batch pattern on a schedule. Not a trigger of Nuclio's: a run may take hours."""
    return _on_schedule(graph, "batch", batch, _pod(graph, "batch", ["batch"], batch))


def loop_job(graph: Graph, loop: Job, monitor: Function) -> Resource:
    """One look of the loop on a schedule: it trains, where there is a cause.

    It reads the windows of the monitor off the volume that both have, so it is where that is.

    Args:
        graph: with the claim of the volume as that of its state.
        monitor: the function that counts.
    """
    pod = _pod(graph, "loop", ["loop", "run", "--once"], loop)
    near = {
        "labelSelector": {"matchLabels": selector(monitor.name)},
        "topologyKey": "kubernetes.io/hostname",
    }
    pod["affinity"] = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [near]}}
    return _on_schedule(graph, "loop", loop, pod)


def teacher(graph: Graph, role: str) -> Resource:
    """The Deployment of what learns from labels and rewards: learn, or correction.

    Several share the work by their consumer group.
    """
    name, size = f"{graph.name}-{role}", graph.deploy.functions[role]
    about = metadata(graph, name, role)
    pod = {**_pod(graph, role, COMMANDS[role], size), "terminationGracePeriodSeconds": 30}
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


def _on_schedule(graph: Graph, role: str, job: Job, pod: Resource) -> Resource:
    about = metadata(graph, f"{graph.name}-{role}", role)
    template = {"metadata": {"labels": about["labels"]}, "spec": {**pod, "restartPolicy": "Never"}}
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": about,
        "spec": {
            "schedule": job.schedule,
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": 300,
            "jobTemplate": {"spec": {"backoffLimit": 3, "template": template}},
        },
    }


def _pod(graph: Graph, role: str, command: Sequence[str], size: Job | Size) -> Resource:
    """A pod that runs a command of ours on the graph, and writes nowhere but in its volumes."""
    mounted = volumes(graph)
    container = {
        "name": role,
        "image": size.image or "sluice-serving",
        "command": ["sluice", *_on(graph, command)],
        "workingDir": HOME,
        "env": environment(graph, [], unused=_UNUSED[role]),
        "resources": {"requests": dict(size.requests), "limits": dict(size.limits)},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [one["volumeMount"] for one in mounted],
    }
    return {
        "serviceAccountName": "sluice-functions",
        "automountServiceAccountToken": False,
        "securityContext": pod_security(),
        "containers": [container],
        "volumes": [one["volume"] for one in mounted],
    }


def _on(graph: Graph, command: Sequence[str]) -> list[str]:
    """The command with the graph's name, which stands before its options."""
    words = [word for word in command if not word.startswith("-")]
    return [*words, graph.name, *command[len(words) :]]
