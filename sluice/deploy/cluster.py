"""What stands around a graph's functions in a cluster: door, scaling, topics."""

from __future__ import annotations

from sluice.deploy.declared import Ingress, Kafka
from sluice.deploy.function import Function, Graph, Resource, labels, metadata, selector

_NGINX = "nginx.ingress.kubernetes.io"
_KEDA_SASL = {
    "PLAIN": "plaintext",
    "SCRAM-SHA-256": "scram_sha256",
    "SCRAM-SHA-512": "scram_sha512",
}


def api_gateway(graph: Graph, door: Ingress, function: str, canary: str = "") -> Resource:
    """Nuclio's API gateway before a function, with a canary beside it if one is named.

    Nuclio's own basicAuth holds the password in the resource; here nginx is told the secret.
    """
    modes = {"oauth2": "oauth2", "accessKey": "accessKey"}
    upstreams = [_upstream(door, function)]
    if canary:
        upstreams.append({**_upstream(door, canary), "percentage": door.percentage})
    return {
        "apiVersion": "nuclio.io/v1beta1",
        "kind": "NuclioAPIGateway",
        "metadata": {"name": graph.name, "labels": labels(graph)},
        "spec": {
            "name": graph.name,
            "host": door.host,
            "path": door.path,
            "authenticationMode": modes.get(door.authentication, "none"),
            "upstreams": upstreams,
        },
        "status": {"state": "waitingForProvisioning"},
    }


def _upstream(door: Ingress, function: str) -> Resource:
    annotations = {
        "basic": {
            f"{_NGINX}/auth-type": "basic",
            f"{_NGINX}/auth-secret": door.secret,
            f"{_NGINX}/auth-realm": "sluice",
        },
        "url": {f"{_NGINX}/auth-url": door.url},
    }.get(door.authentication)
    upstream: Resource = {"kind": "nucliofunction", "nucliofunction": {"name": function}}
    return {**upstream, "extraAnnotations": annotations} if annotations else upstream


def disruption_budget(graph: Graph, function: Function) -> Resource:
    """A node that is drained takes one replica at a time."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(graph, function.name, function.role),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": selector(function.name)}},
    }


def scaled_object(graph: Graph, function: Function, kafka: Kafka) -> Resource:
    """KEDA's rule: as many replicas as the lag asks for.

    It takes over the autoscaler that Nuclio makes for the same Deployment: there may be one only.
    """
    size = graph.deploy.functions[function.role]
    name = f"nuclio-{function.name}"
    about = metadata(graph, function.name, function.role)
    about["annotations"] = {"scaledobject.keda.sh/transfer-hpa-ownership": "true"}
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": about,
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicaCount": size.least,
            "maxReplicaCount": size.most,
            "pollingInterval": 15,
            "cooldownPeriod": 300,
            "advanced": {"horizontalPodAutoscalerConfig": {"name": name}},
            "triggers": [_lag(graph, function, kafka)],
        },
    }


def _lag(graph: Graph, function: Function, kafka: Kafka) -> Resource:
    trigger: Resource = {
        "type": "kafka",
        "metadata": {
            "bootstrapServers": kafka.brokers,
            "consumerGroup": function.group,
            "topic": function.topics[0],
            "lagThreshold": str(kafka.lag),
            "offsetResetPolicy": "earliest",
        },
    }
    if kafka.secret:
        trigger["metadata"] |= {
            "sasl": _KEDA_SASL[kafka.mechanism],
            "tls": "enable" if kafka.tls else "disable",
        }
        trigger["authenticationRef"] = {"name": f"{graph.name}-kafka"}
    return trigger


def trigger_authentication(graph: Graph, kafka: Kafka) -> Resource:
    """Where KEDA finds the broker's user and password."""
    keys = {k: (kafka.secret, k) for k in ("username", "password")}
    if kafka.ca:
        keys["ca"] = kafka.ca
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "TriggerAuthentication",
        "metadata": {"name": f"{graph.name}-kafka", "labels": labels(graph)},
        "spec": {
            "secretTargetRef": [
                {"parameter": p, "name": secret, "key": key} for p, (secret, key) in keys.items()
            ],
        },
    }


def kafka_topic(graph: Graph, topic: str, kafka: Kafka) -> Resource:
    """A topic, made by Strimzi's operator."""
    about = {"name": topic.lower().replace("_", "-"), "labels": labels(graph)}
    about["labels"] = {**labels(graph), "strimzi.io/cluster": kafka.cluster}
    return {
        "apiVersion": "kafka.strimzi.io/v1beta2",
        "kind": "KafkaTopic",
        "metadata": about,
        "spec": {
            "topicName": topic,
            "partitions": kafka.partitions,
            "replicas": kafka.replication,
        },
    }
