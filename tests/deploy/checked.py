"""Resources of a cluster against the schemas of those that read them, every field known."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import kubernetes_validate  # type: ignore[import-untyped]
import yaml

SCHEMAS = Path(__file__).parent / "schemas"
KUBERNETES = "1.31"
_NUCLIO = {"NuclioFunction": "function", "NuclioAPIGateway": "apigateway"}
_KEDA = {"ScaledObject": "scaledobjects", "TriggerAuthentication": "triggerauthentications"}
# Of resources whose schemas are not at hand: the fields that ours may have, each with its type.
_OTHERS: dict[str, dict[str, type]] = {
    "KafkaTopic": {"topicName": str, "partitions": int, "replicas": int, "config": dict},
    "ServiceMonitor": {"selector": dict, "endpoints": list, "namespaceSelector": dict},
    "NuclioProject": {"description": str},
}


def check(resource: Any) -> None:
    """Raises AssertionError or a schema's own error for a field that is unknown or wrong."""
    kind = resource["kind"]
    if kind in _NUCLIO:
        schema = json.loads((SCHEMAS / f"nuclio-{_NUCLIO[kind]}.schema.json").read_text("utf-8"))
        jsonschema.validate(resource, schema)
        if kind == "NuclioFunction":
            _check_pod(resource)
    elif kind in _KEDA:
        jsonschema.validate(resource, _crd(_KEDA[kind]))
    elif kind in _OTHERS:
        _check_fields(resource["spec"], _OTHERS[kind], kind)
    else:
        kubernetes_validate.validate(resource, KUBERNETES, strict=True)
    name = resource["metadata"]["name"]
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", name), name


def _crd(plural: str) -> Any:
    data = yaml.safe_load((SCHEMAS / f"keda.sh_{plural}.yaml").read_text("utf-8"))
    return _closed(data["spec"]["versions"][0]["schema"]["openAPIV3Schema"])


def _closed(schema: Any) -> Any:
    """A schema that takes no field that it does not name; Kubernetes would drop such a one."""
    if isinstance(schema, list):
        return [_closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(part) for name, part in schema.items()}
    if "properties" in closed and not closed.get("x-kubernetes-preserve-unknown-fields"):
        closed.setdefault("additionalProperties", False)
    return closed


def _check_fields(spec: Any, known: dict[str, type], kind: str) -> None:
    for name, value in spec.items():
        assert name in known, f"{kind} has no {name}"
        assert isinstance(value, known[name]), f"{kind}: {name} is {value!r}"


def _check_pod(function: Any) -> None:
    """What Nuclio takes over into a pod, as Kubernetes sees it there."""
    spec = function["spec"]
    volumes = [v["volume"] for v in spec.get("volumes", [])]
    container = {
        "name": "nuclio",
        "image": spec["image"],
        "env": spec.get("env", []),
        "resources": spec.get("resources", {}),
        "volumeMounts": [v["volumeMount"] for v in spec.get("volumes", [])],
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": function["metadata"],
        "spec": {
            "containers": [container],
            "volumes": volumes,
            "serviceAccountName": spec.get("serviceAccount", "default"),
            "securityContext": spec.get("securityContext", {}),
        },
    }
    kubernetes_validate.validate(pod, KUBERNETES, strict=True)
    assert [v["name"] for v in volumes] == [m["name"] for m in container["volumeMounts"]]
    for name, trigger in spec["triggers"].items():
        assert trigger["name"] == name, "Nuclio asks for a trigger's name under which it stands"
        if trigger.get("explicitAckMode", "disable") != "disable":
            assert trigger["attributes"]["workerAllocationMode"] == "static"
    assert sum(t["kind"] == "http" for t in spec["triggers"].values()) == 1
    assert spec["minReplicas"] <= spec["maxReplicas"]
