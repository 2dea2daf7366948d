"""The project: project.yaml, read for what Sluice needs of it (MLRun reads it too)."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sluice.declaration import Section, read_yaml
from sluice.errors import DeclarationError, nearest
from sluice.settings import Settings, project_root

FILE = "project.yaml"
_PASSED_OVER = {"__pycache__", "build", "dist", "node_modules"}


@dataclass(frozen=True)
class Project:
    """A project's folder, name and settings, and what it declares, by name.

    Attributes:
        graphs: each graph.yaml.
        jobs: each job's handler, a dotted path.
        workflows: each workflow's function, a dotted path.
    """

    root: Path
    name: str
    settings: Settings
    graphs: Mapping[str, Path]
    jobs: Mapping[str, str]
    workflows: Mapping[str, str]

    @classmethod
    def find(cls, start: Path | str | None = None) -> Project:
        """The project of a folder (SLUICE_PROJECT, else this one) or of the nearest above it.

        Raises DeclarationError when there is none.
        """
        given = start or project_root()
        here = Path(given or Path.cwd()).resolve()
        for folder in (here, *here.parents):
            if (folder / FILE).is_file():
                return cls.read(folder)
        hint = "change into a project, or name its folder in SLUICE_PROJECT"
        raise DeclarationError(here / FILE, "", "no such file, nor in any folder above", hint)

    @classmethod
    def read(cls, root: Path) -> Project:
        """The project in a folder; makes its packages importable. Raises DeclarationError."""
        file = root / FILE
        top = Section(read_yaml(file), file)
        name = top.section("metadata").take("name", str)
        spec = top.section("spec")
        params = spec.take("params", Mapping, {})
        settings = Settings.load(params.get("sluice"), file=file)
        functions = spec.take("functions", list, [])
        workflows = spec.take("workflows", list, [])
        if str(root) not in sys.path:
            sys.path.insert(0, str(root))
        _refuse_nameless(functions, file, "spec.functions")
        _refuse_nameless(workflows, file, "spec.workflows")
        graphs, jobs = _graphs(functions, root), _jobs(functions)
        return cls(root, name, settings, graphs, jobs, _workflows(workflows))

    def graph_file(self, graph: str) -> Path:
        """The graph.yaml of a graph. Raises DeclarationError naming those that there are."""
        if graph not in self.graphs:
            problem = f"no graph {graph!r}" if graph else "no graph is named"
            raise self.error("spec.functions", problem, nearest(graph, self.graphs))
        return self.graphs[graph]

    def error(self, where: str, problem: str, hint: str = "") -> DeclarationError:
        """A DeclarationError in project.yaml."""
        return DeclarationError(self.root / FILE, where, problem, hint)

    def path(self, setting: str, default: str) -> str:
        """A store's URL or path: relative paths are in the project, an empty one in its state."""
        if "://" in setting:
            return setting
        return str(self.root / (setting or f"{self.settings.state}/{default}"))


def _refuse_nameless(entries: list[Any], file: Path, where: str) -> None:
    for index, entry in enumerate(entries):
        if not isinstance(entry, Mapping) or not isinstance(entry.get("name"), str):
            raise DeclarationError(file, f"{where}[{index}]", "expected a mapping with a name")


def _graphs(functions: list[Any], root: Path) -> dict[str, Path]:
    graphs = {}
    for entry in functions:
        if isinstance(entry, Mapping) and Path(str(entry.get("url", ""))).name == "graph.yaml":
            graphs[str(entry["name"])] = root / entry["url"]
    return graphs


def _jobs(functions: list[Any]) -> dict[str, str]:
    jobs = [f for f in functions if isinstance(f, Mapping) and f.get("kind") == "job"]
    return {str(job["name"]): str(job["handler"]) for job in jobs if "handler" in job}


def _workflows(workflows: list[Any]) -> dict[str, str]:
    named = [w for w in workflows if isinstance(w, Mapping) and "path" in w and "handler" in w]
    modules = {w["name"]: ".".join(Path(w["path"]).with_suffix("").parts) for w in named}
    return {str(w["name"]): f"{modules[w['name']]}.{w['handler']}" for w in named}


def files_of(root: Path, suffixes: Collection[str]) -> list[Path]:
    """The project's files with these suffixes, by their place in it, sorted; none of environments,
    hidden folders or what was built."""
    found: list[Path] = []
    for here, folders, names in os.walk(root):
        if (Path(here) / "pyvenv.cfg").is_file():
            folders.clear()
            continue
        folders[:] = [f for f in folders if f[0] != "." and f not in _PASSED_OVER]
        paths = (Path(here) / name for name in names if name[0] != ".")
        found += (p.relative_to(root) for p in paths if p.suffix in suffixes and p.is_file())
    return sorted(found)
