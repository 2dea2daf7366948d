"""The stores and streams that a project's settings name. Names in them begin with the project's."""

from __future__ import annotations

from pathlib import Path

from sluice.audit.models import AuditedModels
from sluice.audit.open import open_trail
from sluice.features.store import OnlineStore
from sluice.features.store import open_store as open_features
from sluice.models.store import ModelStore
from sluice.models.store import open_store as open_models
from sluice.project import Project
from sluice.routing.ledger import Ledger, open_ledger
from sluice.streams import Stream, is_log, open_stream


def model_store(project: Project) -> ModelStore:
    """The model store: the setting `models`, with a folder per project; the audit trail tells what
    is done to it. Raises DeclarationError.
    """
    place, options = project.path(project.settings.models, "models"), ""
    if "://" in place:
        place, mark, options = place.partition("?")
        options = mark + options
    cache = Path(project.path("", "cache/models"))
    models = open_models(f"{place}/{project.name}{options}", cache=cache)
    return AuditedModels(models, open_trail(project))


def feature_store(project: Project, graph: str) -> OnlineStore:
    """The online store of a graph's features: the setting `features`. Raises DeclarationError."""
    return open_features(project.path(project.settings.features, "features"), (project.name, graph))


def reward_ledger(project: Project, graph: str, memory: str) -> Ledger:
    """The ledger of a policy's rewards: the setting `rewards`; `memory` is what its sums mean.

    Raises DeclarationError, StoreUnavailable.
    """
    url = project.path(project.settings.rewards, "rewards")
    return open_ledger(url, (project.name, graph, memory))


def events_url(project: Project) -> str:
    """Where monitoring events go: the setting `events`. Raises DeclarationError for no stream."""
    url = project.path(project.settings.events, "events.log")
    is_log(url)
    return url


def event_stream(project: Project) -> Stream:
    """The stream of monitoring events and feedback; a broker decides on retention by itself.

    Raises DeclarationError, StoreUnavailable.
    """
    url, settings = events_url(project), project.settings
    if not is_log(url):
        return open_stream(url)
    return open_stream(
        url, retention_bytes=settings.retention_bytes, retention_s=settings.retention_s
    )
