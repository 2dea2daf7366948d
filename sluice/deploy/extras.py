"""Which extras of the package a graph's functions need in their image."""

from __future__ import annotations

from sluice.deploy.function import Graph
from sluice.settings import PREFIX

_STORES = ("models", "features", "rewards", "events", "stream")


def extras_of(graph: Graph) -> list[str]:
    """The extras in pyproject.toml, for the build argument EXTRAS of the Dockerfile.

    What a secret holds is not known here: clients of Kafka, S3 and Redis are always there.
    """
    settings, secrets = graph.settings, graph.deploy.secrets
    found = ["kafka", "stores"]
    if any(getattr(settings, name).startswith("v3io:") for name in _STORES):
        found.append("v3io")
    if settings.jwks_url or f"{PREFIX}JWKS_URL" in secrets:
        found.append("auth")
    if settings.otlp or f"{PREFIX}OTLP" in secrets:
        found.append("otel")
    return found
