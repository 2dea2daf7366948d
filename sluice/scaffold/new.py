"""Writes a new graph into a project. What is there already is never written over."""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path, PurePosixPath
from string import Template
from typing import Any

import yaml

from sluice.declaration import read_yaml
from sluice.errors import DeclarationError, SluiceError
from sluice.project import FILE, Project
from sluice.scaffold.listing import with_entry

KINDS = ("classification", "regression")
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST = 50  # a resource of a cluster may have 63 characters, and some have the role behind it


@dataclass(frozen=True)
class _Sample:
    """What the data of a kind are, for the files that quote them."""

    about: str
    record: dict[str, Any]
    sane: str
    better: str


_SAMPLES = {
    "classification": _Sample(
        "Is a tumour benign? (scikit-learn's breast cancer data, until you put yours there.)",
        {"radius": 14.1, "texture": 19.3, "smoothness": 0.096, "concavity": 0.089},
        '0 < output["probability"] < 1',
        'metrics["auc"] > 0.9',
    ),
    "regression": _Sample(
        "How far will diabetes go in a year? (scikit-learn's data, until you put yours there.)",
        {"age": 48, "bmi": 26.4, "bp": 94.6, "s1": 189},
        '0 < output["prediction"] < 400',
        'metrics["rmse"] < 70  # the mean of all is off by 77',
    ),
}


def new_graph(project: Project, graph: str, kind: str = KINDS[0], folder: str = "") -> list[Path]:
    """Write a graph's files and its entry in project.yaml; the files, in the order of writing.

    Args:
        project: where.
        graph: the name: small letters, digits and single hyphens.
        kind: classification or regression.
        folder: in the project; default: serving_graphs/ and the name with underscores.

    Raises DeclarationError for a name or folder that will not do, SluiceError for what is there
    already. Then nothing was written.
    """
    _check_name(project, graph)
    folder = _folder(graph, folder)
    texts = _texts(graph, kind, folder)
    made = _write(project, graph, folder, texts)
    packages = _packages(project.root, project.root / list(texts)[-1])
    return [*made, *packages, project.root / FILE]


def onnx_graph(
    project: Project, graph: str, record: Mapping[str, Any], folder: str = ""
) -> list[Path]:
    """Write a graph for an ONNX file, which nobody trains; as new_graph does.

    `record` is the section of features.yaml: see record_section in models/onnx_file.py.
    """
    _check_name(project, graph)
    folder = _folder(graph, folder)
    place, templates = PurePosixPath(folder), resources.files("sluice.scaffold") / "templates"
    text = (templates / "shared" / "graph.yaml").read_text("utf-8")
    kept = [line for line in text.splitlines() if "training:" not in line]
    features = {"format": 1, "record": dict(record)}
    texts = {
        str(place / "__init__.py"): "",
        str(place / "graph.yaml"): Template("\n".join([*kept, ""])).substitute(
            graph=graph, folder=folder
        ),
        str(place / "features.yaml"): "# What the file takes: docs/onnx.md.\n"
        + yaml.safe_dump(features, sort_keys=False, default_flow_style=None),
    }
    return [*_write(project, graph, folder, texts), project.root / FILE]


def _write(project: Project, graph: str, folder: str, named: Mapping[str, str]) -> list[Path]:
    """Write files by their path in the project, and the entry; raises SluiceError before."""
    texts = {project.root / name: text for name, text in named.items()}
    there = [path for path in (*texts, project.root / folder) if path.exists()]
    if there:
        found = there[0].relative_to(project.root)
        raise SluiceError(f"{found} is there already: choose another name, or remove it")
    listing = project.root / FILE
    listed = with_entry(listing, {"name": graph, "url": f"{folder}/graph.yaml"})
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    listing.write_text(listed, "utf-8")
    return list(texts)


def _check_name(project: Project, graph: str) -> None:
    if not _NAME.fullmatch(graph) or len(graph) > _LONGEST:
        hint = f"small letters, digits and single hyphens, at most {_LONGEST}: order-value"
        raise DeclarationError("sluice new", "GRAPH", f"{graph!r} is no name of a graph", hint)
    taken = [f["name"] for f in read_yaml(project.root / FILE)["spec"].get("functions", [])]
    if graph in taken:
        raise project.error("spec.functions", f"there is a function {graph!r} already")


def _folder(graph: str, folder: str) -> str:
    """A folder in the project that can be imported from; empty: one of the graph's name."""
    folder = folder or f"serving_graphs/{graph.replace('-', '_')}"
    parts = PurePosixPath(folder).parts
    if not parts or not all(p.isidentifier() and not keyword.iskeyword(p) for p in parts):
        hint = "each part is a name that Python imports: serving_graphs/order_value"
        problem = f"{folder!r} is no folder for a graph"
        raise DeclarationError("sluice new", "--folder", problem, hint)
    return "/".join(parts)


def _texts(graph: str, kind: str, folder: str) -> dict[str, str]:
    """Every file by its path in the project."""
    sample, parts = _SAMPLES[kind], PurePosixPath(folder).parts
    test = "/".join(("tests", *parts[:-1], f"test_{parts[-1]}.py"))
    fill = {
        "graph": graph,
        "folder": folder,
        "module": ".".join(parts),
        "test": test,
        "depth": len(parts),
        "about": sample.about,
        "record": json.dumps(sample.record),
        "literal": repr(sample.record).replace("'", '"'),
        "required": next(iter(sample.record)),
        "sane": sample.sane,
        "better": sample.better,
    }

    def made(template: str) -> str:
        place = resources.files("sluice.scaffold") / "templates" / template
        return Template(place.read_text("utf-8")).substitute(fill)

    return {
        f"{folder}/__init__.py": "",
        f"{folder}/graph.yaml": made("shared/graph.yaml"),
        f"{folder}/features.yaml": made(f"{kind}/features.yaml"),
        f"{folder}/training.py": made(f"{kind}/training.py.txt"),
        f"{folder}/README.md": made("shared/README.md"),
        test: made("shared/test.py.txt"),
    }


def _packages(root: Path, test: Path) -> list[Path]:
    """Make the folders of a test packages, where tests are one: then files may share a name."""
    made = []
    if (root / "tests" / "__init__.py").exists():
        for folder in test.relative_to(root / "tests").parents[:-1]:
            file = root / "tests" / folder / "__init__.py"
            if not file.exists():
                file.touch()
                made.append(file)
    return made
