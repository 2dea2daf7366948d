"""A function of a graph as Nuclio's custom resource: its function.yaml, and what is declared."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sluice.declaration import Section, read_yaml
from sluice.deploy.beside import MONITOR
from sluice.deploy.declared import Deploy, Kafka, Size
from sluice.errors import DeclarationError
from sluice.host.function_yaml import FunctionFile
from sluice.project import Project
from sluice.settings import Settings

HOME = "/opt/nuclio"  # where the image has the project
USER = 10001
TEMPORARY = "/tmp"
KEPT = "/var/lib/sluice"
KAFKA_SECRET = "/etc/sluice/kafka"
KAFKA_CA = "/etc/sluice/kafka-ca"
_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_NAME_LENGTH = 56  # Nuclio puts «nuclio-» before it, and a service has 63 characters

# Fields of a function that are the graph's to declare.
_OURS = {
    "replicas", "minReplicas", "maxReplicas", "targetCPU", "scaleToZero", "resources",
    "serviceAccount", "securityContext", "volumes", "imagePullPolicy", "readinessTimeoutSeconds",
}  # fmt: skip

Resource = dict[str, Any]


@dataclass(frozen=True)
class Function:
    """One function of a deployment.

    Attributes:
        name: in the cluster; role: the folder in functions/ that it is made of.
        topics, group: of Kafka, that it works off, the one first whose lag tells; none: HTTP only.
        next: where its answer goes, in the layout `steps`: a URL, or a topic. Empty: back.
    """

    name: str
    role: str
    topics: tuple[str, ...] = ()
    group: str = ""
    next: str = ""


@dataclass(frozen=True)
class Graph:
    """What all functions of a graph share.

    Attributes:
        settings: those that they will find.
        taught: the roles of who teaches it (beside.py): its policy, its correction.
        loops: whether it declares when its models are trained again.
    """

    project: Project
    name: str
    file: object
    deploy: Deploy
    settings: Settings
    taught: tuple[str, ...] = ()
    loops: bool = False

    @property
    def kafka_has_events(self) -> bool:
        """Whether its monitoring events go to the brokers that it declares."""
        if self.deploy.kafka is None:
            return False
        named = "SLUICE_EVENTS" in self.deploy.secrets
        return named or self.settings.events.startswith("kafka:")


def nuclio_function(graph: Graph, function: Function) -> Resource:
    """The resource. Raises DeclarationError for a function.yaml that is wrong or not there."""
    return {
        "apiVersion": "nuclio.io/v1beta1",
        "kind": "NuclioFunction",
        "metadata": metadata(graph, function.name, function.role),
        "spec": _spec(graph, function, graph.deploy.functions[function.role]),
        # Without it Nuclio's controller passes over a resource that did not come by its dashboard.
        "status": {"state": "waitingForResourceConfiguration"},
    }


def metadata(graph: Graph, name: str, role: str) -> Resource:
    """Name and labels. They carry no version: a Deployment's selector can't be changed."""
    if not _NAME.fullmatch(name) or len(name) > _NAME_LENGTH:
        hint = f"small letters, digits and hyphens, at most {_NAME_LENGTH}"
        raise DeclarationError(graph.file, "metadata.name", f"{name!r} is no name here", hint)
    return {"name": name, "labels": {**selector(name), **labels(graph), COMPONENT: role}}


COMPONENT = "app.kubernetes.io/component"


def selector(name: str) -> dict[str, str]:
    """The labels by which the pods of a function are found."""
    return {"app.kubernetes.io/name": name}


def labels(graph: Graph) -> dict[str, str]:
    """The labels of all that belongs to a graph."""
    return {
        "app.kubernetes.io/part-of": graph.name,
        "app.kubernetes.io/managed-by": "sluice",
        "nuclio.io/project-name": graph.project.name,
    }


def _base(graph: Graph, function: Function) -> Resource:
    path = graph.project.root / "functions" / function.role / "function.yaml"
    FunctionFile.read(path)  # strictly: Nuclio would pass over what it does not know
    spec: Resource = dict(Section(read_yaml(path), path).take("spec", Mapping))
    for name in _OURS & spec.keys():
        hint = "declare it under spec.parameters.sluice.deploy of the graph"
        raise DeclarationError(path, f"spec.{name}", "is set when a graph is rendered", hint)
    return spec


def _spec(graph: Graph, function: Function, size: Size) -> Resource:
    base = _base(graph, function)
    limit = {"eventTimeout": f"{graph.settings.timeout:g}s"} if "eventTimeout" in base else {}
    return {
        **base,
        "image": size.image or base.get("image", "sluice-serving"),
        "imagePullPolicy": "IfNotPresent",
        "env": environment(graph, base.get("env", []), _unused(function), function.next),
        **limit,
        "readinessTimeoutSeconds": 120,
        "triggers": _triggers(graph, function, size, base.get("triggers", {})),
        **_scale(function, size),
        "resources": {"requests": dict(size.requests), "limits": dict(size.limits)},
        "serviceAccount": "sluice-functions",
        "securityContext": pod_security(),
        "volumes": volumes(graph, password=bool(function.topics)),
    }


def environment(
    graph: Graph, base: list[Any], unused: Collection[str] = (), after: str = ""
) -> list[Any]:
    """Variables: those of function.yaml, ours, what is declared; secrets by reference only.

    `unused` are not handed on: what a pod does not need, it does not get.
    """
    own = {"SLUICE_GRAPH": graph.name, "SLUICE_PROJECT": HOME}
    own["SLUICE_STATE"] = KEPT if graph.deploy.claim else f"{TEMPORARY}/sluice"
    if after:
        own["SLUICE_NEXT"] = after
    if kafka := graph.deploy.kafka:
        own["SLUICE_STREAM"] = f"kafka://{kafka.brokers}"
    if events := graph.settings.events:
        own["SLUICE_EVENTS"] = events
    values = {item["name"]: str(item["value"]) for item in base} | own | dict(graph.deploy.env)
    secrets = {n: r for n, r in graph.deploy.secrets.items() if n not in unused}
    gone = {*unused, *graph.deploy.secrets}
    by_value: list[Any] = [{"name": n, "value": v} for n, v in values.items() if n not in gone]
    return by_value + [{"name": n, "valueFrom": _secret_key(*r)} for n, r in secrets.items()]


def _unused(function: Function) -> set[str]:
    worked_off = function.topics and function.role != MONITOR
    return {"SLUICE_DATABASE"} | (set() if worked_off else {"SLUICE_STREAM"})


def _secret_key(secret: str, key: str) -> Resource:
    return {"secretKeyRef": {"name": secret, "key": key}}


def pod_security() -> Resource:
    """A pod that is not root's. Nuclio has the pod's security only, and none of its container."""
    return {
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        "fsGroup": USER,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def _scale(function: Function, size: Size) -> Resource:
    # A function that works off Kafka is woken by KEDA; Nuclio's own rest would keep it asleep.
    least = max(size.least, 1) if function.topics else size.least
    scale: Resource = {"minReplicas": least, "maxReplicas": size.most, "targetCPU": size.cpu}
    if least == 0:
        metric = {"metricName": "nuclio_processor_handled_events_total", "threshold": 0}
        scale["scaleToZero"] = {"scaleResources": [{**metric, "windowSize": size.idle}]}
    return scale


def _triggers(
    graph: Graph, function: Function, size: Size, base: Mapping[str, Any]
) -> dict[str, Any]:
    http = {n: t for n, t in base.items() if t.get("kind") == "http"} or {"http": {"kind": "http"}}
    triggers = {n: _http(graph, n, t) for n, t in http.items()}
    for trigger in triggers.values():
        if function.topics:  # HTTP is for health and metrics here
            trigger["numWorkers"] = 1
        else:
            trigger["numWorkers"] = size.workers or trigger.get("numWorkers", 1)
            trigger.update(_batching(size))
    if function.topics and graph.deploy.kafka:
        kafka = {n: t for n, t in base.items() if t.get("kind", "").startswith("kafka")}
        name, own = next(iter(kafka.items()), ("requests", {}))
        triggers[name] = {"name": name, **_kafka(graph.deploy.kafka, function, size, own)}
    return triggers


def _http(graph: Graph, name: str, base: Mapping[str, Any]) -> Resource:
    attributes = {"maxRequestBodySize": graph.settings.max_body, "serviceType": "ClusterIP"}
    return {"name": name, **base, "attributes": {**attributes, **base.get("attributes", {})}}


def _batching(size: Size) -> Resource:
    if not size.batch_size:
        return {}
    return {
        "batch": {"mode": "enable", "batchSize": size.batch_size, "timeout": size.batch_wait},
    }


def _kafka(kafka: Kafka, function: Function, size: Size, base: Mapping[str, Any]) -> Resource:
    attributes = {
        **base.get("attributes", {}),
        "brokers": kafka.brokers.split(","),
        "topics": list(function.topics),
        "consumerGroup": function.group,
        "initialOffset": "earliest",
        "workerAllocationMode": "static",  # explicit acknowledgement needs it
    }
    if kafka.secret:
        attributes["tls"] = {"enable": kafka.tls}
        attributes["sasl"] = {
            "enable": True,
            "mechanism": kafka.mechanism,
            "user": kafka.user,
            "password": f"{KAFKA_SECRET}/password",  # Nuclio reads the file
        }
    if kafka.ca:
        attributes["caCert"] = f"{KAFKA_CA}/{kafka.ca.key}"
    return {
        "explicitAckMode": "enable",
        "workerTerminationTimeout": "30s",
        **base,
        "kind": "kafka-cluster",
        "numWorkers": size.workers or base.get("numWorkers", 1),
        "attributes": attributes,
    }


def volumes(graph: Graph, password: bool = False) -> list[Any]:
    """The volumes of a pod, each with its mount: where it may write, and what of Kafka it needs.

    Args:
        password: whether Nuclio itself connects there, which reads the password from a file.
    """
    found = [_volume("tmp", TEMPORARY, {"emptyDir": {"sizeLimit": "2Gi"}})]
    if claim := graph.deploy.claim:
        found.append(_volume("state", KEPT, {"persistentVolumeClaim": {"claimName": claim}}))
    if graph.deploy.kafka:
        found += _kafka_volumes(graph.deploy.kafka, password, graph.kafka_has_events)
    return found


def _kafka_volumes(kafka: Kafka, password: bool, events: bool) -> list[Any]:
    found = [("kafka", KAFKA_SECRET, kafka.secret)] if kafka.secret and password else []
    if kafka.ca and (password or events):
        found.append(("kafka-ca", KAFKA_CA, kafka.ca.secret))
    return [
        _volume(name, path, {"secret": {"secretName": secret}}, read_only=True)
        for name, path, secret in found
    ]


def _volume(name: str, path: str, source: Resource, read_only: bool = False) -> Resource:
    mount: Resource = {"name": name, "mountPath": path}
    if read_only:
        mount["readOnly"] = True
    return {"volume": {"name": name, **source}, "volumeMount": mount}
