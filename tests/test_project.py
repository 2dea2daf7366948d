"""project.yaml, as far as Sluice reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.errors import DeclarationError
from sluice.project import Project

HEAD = "metadata: {name: shop}\nspec:\n"


def project(folder: Path, spec: str) -> Project:
    (folder / "project.yaml").write_text(HEAD + spec, "utf-8")
    return Project.find(folder)


def test_graphs_jobs_and_workflows_by_name(tmp_path: Path) -> None:
    found = project(
        tmp_path,
        "  functions:\n"
        "    - {name: a, url: serving_graphs/a/graph.yaml}\n"
        "    - {name: b, kind: job, handler: functions.train.function.train}\n"
        "    - {name: c, kind: nuclio, handler: 'functions.serve.function:handler'}\n"
        "  workflows: [{name: main, path: functions/train/workflow.py, handler: main}]\n",
    )
    assert found.name == "shop"
    assert found.graphs == {"a": tmp_path / "serving_graphs/a/graph.yaml"}
    assert found.jobs == {"b": "functions.train.function.train"}
    assert found.workflows == {"main": "functions.train.workflow.main"}


def test_it_is_found_from_a_folder_below(tmp_path: Path) -> None:
    project(tmp_path, "  params: {}\n")
    (tmp_path / "a/b").mkdir(parents=True)
    assert Project.find(tmp_path / "a/b").root == tmp_path


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ("  functions: [{kind: job}]\n", r"spec.functions\[0\]: expected a mapping with a name"),
        ("  workflows: [main]\n", r"spec.workflows\[0\]: expected a mapping with a name"),
        ("  params: {sluice: {prot: 1}}\n", "prot.*did you mean 'port'"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, spec: str, problem: str) -> None:
    with pytest.raises(DeclarationError, match=problem):
        project(tmp_path, spec)


def test_no_project_here(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="SLUICE_PROJECT"):
        Project.find(tmp_path)


def test_an_unknown_graph_names_those_there_are(tmp_path: Path) -> None:
    found = project(tmp_path, "  functions: [{name: a, url: a/graph.yaml}]\n")
    with pytest.raises(DeclarationError, match=r"no graph 'b' .*allowed: a"):
        found.graph_file("b")
