"""Checks a whole project: its file, its functions, and each graph."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sluice.access.open import open_access
from sluice.check.graph import check_graph
from sluice.check.problems import Problem, Problems
from sluice.declaration import load_object
from sluice.errors import DeclarationError
from sluice.host.function_yaml import FunctionFile
from sluice.project import FILE, Project
from sluice.settings import unknown_variables, variables


def check(root: Path, graph: str = "", environ: Mapping[str, str] | None = None) -> list[Problem]:
    """All that is wrong with the project in a folder, or with one graph of it and what it uses.

    Raises DeclarationError for a graph that is not in the project.
    """
    problems = Problems(root)
    for error in unknown_variables(variables() if environ is None else environ):
        problems.add(error)
    project = problems.attempt(Project.read, root, file=root / FILE)
    if project is None:
        return problems.found
    if graph:
        project.graph_file(graph)
    problems.attempt(open_access, project, graph, file="settings")
    _check_listed(problems, project)
    _check_functions(problems, project)
    for name in [graph] if graph else project.graphs:
        check_graph(problems, project, name)
    return problems.found


def _check_listed(problems: Problems, project: Project) -> None:
    """That what project.yaml names can be loaded."""
    for job, path in project.jobs.items():
        _load(problems, project, path, f"spec.functions.{job}.handler")
    for workflow, path in project.workflows.items():
        _load(problems, project, path, f"spec.workflows.{workflow}.handler")


def _check_functions(problems: Problems, project: Project) -> None:
    """Each function.yaml, its handler and its variables."""
    for path in sorted((project.root / "functions").glob("*/function.yaml")):
        file = problems.attempt(FunctionFile.read, path, file=path)
        if file is None:
            continue
        if file.handler:
            _load(problems, project, file.handler, "spec.handler", path)
        for error in unknown_variables(file.env):
            problems.add(
                DeclarationError(path, "spec.env", f"{error.where}: no such setting", error.hint)
            )


def _load(
    problems: Problems, project: Project, dotted: str, where: str, file: Path | None = None
) -> Any:
    place = file or project.root / FILE
    return problems.attempt(
        load_object, dotted, place, where, project.root, file=place, where=where
    )  # fmt: skip
