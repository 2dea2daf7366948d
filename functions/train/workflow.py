"""The workflow `main`: features → train → gate → promote → smoke test.

One order of jobs, two ways to run them: `mlrun project . --run main` has MLRun run each as a
function of the project; `sluice run main` calls them as plain functions, without MLRun.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Run = Callable[..., dict[str, Any]]


def main(graph: str = "flight-delay", run: Run | None = None) -> None:
    """Make a champion for a graph. `run(job, **params)` runs one job and gives its results."""
    run = run or mlrun_job
    run("materialise", graph=graph)
    trained = run("train", graph=graph)
    version = str(trained["best"])
    run("gate", graph=graph, version=version)
    run("promote", graph=graph, version=version)
    run("smoke-test", graph=graph)


def mlrun_job(job: str, **params: Any) -> dict[str, Any]:
    """Run a job as a function of the current MLRun project, in this process.

    Ends the process with status 1 when the job failed: `mlrun project` itself reports success.
    """
    import mlrun

    project = mlrun.get_current_project()
    run = project.run_function(job, params=params, local=True)
    if run.state() != "completed":
        raise SystemExit(f"workflow main: {job} failed: {run.status.error}")
    results: dict[str, Any] = run.status.results
    return results
