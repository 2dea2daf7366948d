"""A graph's monitor and its loop in a cluster: the function that counts events, and the job that
looks whether models are to be trained again. Both have the volume of the windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sluice.deploy import cluster
from sluice.deploy.beside import MONITOR
from sluice.deploy.function import Function, Graph, Resource, nuclio_function
from sluice.deploy.pods import loop_job
from sluice.errors import DeclarationError
from sluice.windows.monitor import Topics

_WHERE = "spec.parameters.sluice.deploy"


def monitor(graph: Graph) -> list[Function]:
    """The function that counts; none where no volume for the windows is named.

    Raises DeclarationError where its events could not get there.
    """
    if not graph.deploy.windows:
        return []
    kafka = graph.deploy.kafka
    if kafka is None:
        raise DeclarationError(graph.file, _WHERE, "kafka is missing", "events come by it")
    if kafka.secret and "SLUICE_EVENTS" not in graph.deploy.secrets:
        hint = "kafka://… with sasl.username and sasl.password, as SECRET/KEY"
        where = f"{_WHERE}.secrets.SLUICE_EVENTS"
        raise DeclarationError(graph.file, where, "is missing, and the brokers ask for it", hint)
    topics, name = _topics(graph), f"{graph.name}-{MONITOR}"
    group = f"{graph.project.name}.{name}"
    return [Function(name, MONITOR, (topics.events, topics.feedback), group)]


def monitored(graph: Graph, counting: Sequence[Function]) -> dict[str, Resource]:
    """The monitor with its topics, and the loop's job.

    Raises DeclarationError for a loop that nothing begins, or that has nothing to look at.
    """
    kept = replace(graph, deploy=replace(graph.deploy, claim=graph.deploy.windows))
    resources = {f"function-{f.name}": nuclio_function(kept, f) for f in counting}
    kafka = graph.deploy.kafka
    if counting and kafka and kafka.cluster:
        for topic in _topics(graph):
            resources[f"topic-{topic}"] = cluster.kafka_topic(graph, topic, kafka)
    if loop := graph.deploy.loop:
        where = f"{_WHERE}.loop"
        if not graph.loops:
            hint = "retrain: {incidents: [calibration]}"
            raise DeclarationError(graph.file, where, "nothing is declared under retrain", hint)
        if not counting:
            hint = "monitor: {claim: NAME}"
            raise DeclarationError(graph.file, where, "it looks at what a monitor counts", hint)
        resources[f"job-{graph.name}-loop"] = loop_job(kept, loop, counting[0])
    return resources


def _topics(graph: Graph) -> Topics:
    return Topics.of(graph.project.name, graph.name)
