"""Checks what is stored of a graph: its versions and its features. Nothing is made or changed."""

from __future__ import annotations

from pathlib import Path

from sluice.check.problems import ERROR, NOTE, Problems
from sluice.errors import DeclarationError, NotFound, SluiceError, StoreUnavailable, VersionRefused
from sluice.features.definitions import Definitions
from sluice.features.store import layout_of
from sluice.live import CHAMPION, load_version
from sluice.project import Project
from sluice.stores import feature_store, model_store


def check_stored(
    problems: Problems, project: Project, graph: str, definitions: Definitions
) -> None:
    """Add a note for what is not there yet, an error for what would be refused."""
    for check in (_check_versions, _check_features):
        try:
            check(problems, project, graph, definitions)
        except (StoreUnavailable, OSError) as error:
            problem = f"what is stored was not looked at: {error}"
            problems.add(DeclarationError(project.graph_file(graph), "", problem), NOTE)
        except SluiceError as error:
            problems.add(DeclarationError(project.graph_file(graph), "", str(error)))


def _check_versions(
    problems: Problems, project: Project, graph: str, definitions: Definitions
) -> None:
    models, file = model_store(project), project.graph_file(graph)
    aliases = models.aliases(graph)
    if CHAMPION not in aliases:
        hint = f"train one: sluice run main --graph {graph}"
        problems.add(DeclarationError(file, "", f"{graph} has no champion yet", hint), NOTE)
    for number in models.versions(graph):
        named = [name for name, alias in aliases.items() if alias.version == number]
        try:
            load_version(models.read(graph, number), definitions)
        except (VersionRefused, NotFound) as error:
            who = f"version {number} ({', '.join(named)})" if named else f"version {number}"
            problem = f"{who} would be refused: {error}"
            problems.add(DeclarationError(file, "", problem), ERROR if named else NOTE)


def _check_features(
    problems: Problems, project: Project, graph: str, definitions: Definitions
) -> None:
    place = project.path(project.settings.features, "features")
    hint = f"sluice materialise {graph}"
    own = [entity.name for entity in definitions.entities.values() if not entity.online]
    if not own:
        return
    if "://" not in place and not Path(place).exists():  # to open it would make it
        missing = ", ".join(own)
        error = DeclarationError(definitions.file, "entities", f"not filled: {missing}", hint)
        problems.add(error, NOTE)
        return
    store = feature_store(project, graph)
    try:
        for entity in own:
            layout, where = store.layout(entity), f"entities.{entity}"
            if layout is None:
                problems.add(DeclarationError(definitions.file, where, "not filled", hint), NOTE)
            elif layout != layout_of(definitions, entity):
                problem = f"{graph}'s store was filled for another declaration"
                problems.add(DeclarationError(definitions.file, where, problem, hint), NOTE)
    finally:
        store.close()
