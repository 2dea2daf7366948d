"""Where Prometheus finds the metrics of a graph's functions, and with which credentials."""

from __future__ import annotations

from collections.abc import Sequence

from sluice.access.open import PAGES, is_guarded
from sluice.deploy.function import Graph, Resource, labels
from sluice.deploy.secrets import Reference
from sluice.errors import DeclarationError
from sluice.settings import PREFIX

_KEY = f"{PREFIX}API_KEY"
_GUARDS = tuple(PREFIX + name for name in ("API_KEYS", "API_KEYS_FILE", "JWKS_URL"))


def service_monitor(graph: Graph, without: Sequence[str] = ()) -> Resource:
    """The rule of Prometheus' operator: each replica of the graph's functions is asked, but for
    those that are `without` metrics.

    Raises DeclarationError where /metrics needs credentials and none are named.
    """
    endpoint: Resource = {"targetPort": 8080, "path": PAGES["metrics"], "interval": "15s"}
    if key := _credentials(graph):
        credentials = {"name": key.secret, "key": key.key}
        endpoint["authorization"] = {"type": "Bearer", "credentials": credentials}
    selector: Resource = {"matchLabels": {"app.kubernetes.io/part-of": graph.name}}
    if without:
        named = {"key": "app.kubernetes.io/name", "operator": "NotIn", "values": list(without)}
        selector["matchExpressions"] = [named]
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": {"name": graph.name, "labels": labels(graph)},
        "spec": {"selector": selector, "endpoints": [endpoint]},
    }


def _credentials(graph: Graph) -> Reference | None:
    settings, secrets = graph.settings, graph.deploy.secrets
    guarded = is_guarded(settings) or any(name in secrets for name in _GUARDS)
    public = "metrics" in [name.strip() for name in settings.public.split(",")]
    if not guarded or public:
        return None
    if _KEY not in secrets:
        where = f"spec.parameters.sluice.deploy.secrets.{_KEY}"
        hint = f"a key as SECRET/KEY; or {PREFIX}PUBLIC: metrics under env"
        raise DeclarationError(graph.file, where, "is missing: /metrics needs credentials", hint)
    return secrets[_KEY]
