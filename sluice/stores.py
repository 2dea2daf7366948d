"""The stores that a project's settings name. All names in them begin with project and graph."""

from __future__ import annotations

from sluice.features.store import OnlineStore
from sluice.features.store import open_store as open_features
from sluice.models.store import ModelStore
from sluice.models.store import open_store as open_models
from sluice.project import Project


def model_store(project: Project) -> ModelStore:
    """The model store: the setting `models`, with a folder per project. Raises DeclarationError."""
    return open_models(f"{project.path(project.settings.models, 'models')}/{project.name}")


def feature_store(project: Project, graph: str) -> OnlineStore:
    """The online store of a graph's features: the setting `features`. Raises DeclarationError."""
    return open_features(project.path(project.settings.features, "features"), (project.name, graph))
