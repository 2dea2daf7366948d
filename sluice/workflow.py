"""Workflows of a project, run in this process without MLRun.

A workflow is a function in the project that takes `run(job, **params)`, a way to run one of the
project's jobs by its name and get its results. Here a job is called as a plain function.
"""

from __future__ import annotations

from typing import Any

from sluice.declaration import load_object
from sluice.errors import NotFound, nearest
from sluice.live import CHAMPION
from sluice.models.store import resolve
from sluice.project import FILE, Project
from sluice.stores import model_store


def run_workflow(project: Project, name: str, **arguments: Any) -> None:
    """Run a workflow of project.yaml. Raises DeclarationError, and whatever a job raises."""
    if name not in project.workflows:
        hint = nearest(name, project.workflows)
        raise project.error("spec.workflows", f"no workflow {name!r}", hint)
    where = f"spec.workflows.{name}"
    function = load_object(project.workflows[name], project.root / FILE, where, project.root)

    def run(job: str, **params: Any) -> dict[str, Any]:
        print(f"{name}: {job}", flush=True)  # noqa: T201 (what a person watches)
        return run_job(project, job, **params)

    function(run=run, **arguments)


def run_job(project: Project, job: str, **params: Any) -> dict[str, Any]:
    """Call a job of project.yaml. Raises DeclarationError for one that is not there."""
    if job not in project.jobs:
        raise project.error("spec.functions", f"no job {job!r}", nearest(job, project.jobs))
    where = f"spec.functions.{job}.handler"
    function = load_object(project.jobs[job], project.root / FILE, where, project.root)
    result: dict[str, Any] = function(**params)
    return result


def has_champion(project: Project, graph: str) -> bool:
    """Whether `graph` has a champion to serve."""
    models = model_store(project)
    try:
        return bool(resolve(models, graph, CHAMPION))
    except NotFound:
        return False
