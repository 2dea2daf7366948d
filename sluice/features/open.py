"""What a graph of a project declares, and its online store."""

from __future__ import annotations

from sluice.features.definitions import Definitions, read_definitions
from sluice.features.online import beside
from sluice.features.store import OnlineStore
from sluice.parameters import Parameters
from sluice.project import Project
from sluice.service import read_spec
from sluice.stores import feature_store


def open_features(project: Project, graph: str = "") -> tuple[Definitions, OnlineStore]:
    """The definitions and the store of a graph; empty: the one that the settings name.

    Raises DeclarationError, StoreUnavailable.
    """
    definitions, store = open_own(project, graph)
    return definitions, beside(store, definitions, project.settings.feast)


def open_own(project: Project, graph: str = "") -> tuple[Definitions, OnlineStore]:
    """The same without what other stores keep."""
    spec = read_spec(project, graph or project.settings.graph)
    parameters = Parameters.parse(spec.parameters.get("sluice"), spec.file)
    definitions = read_definitions(project.root / parameters.features, project.root)
    return definitions, feature_store(project, parameters.graph)
