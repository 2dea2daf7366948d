"""The workflow `main`: features → train → gate → promote → smoke test.

One order of jobs, two ways to run them: `mlrun project . --run main` has MLRun run each as a
function of the project; `sluice run main` calls them as plain functions, without MLRun.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

Run = Callable[..., dict[str, Any]]


def main(graph: str = "flight-delay", run: Run | None = None) -> None:
    """Make a champion for a graph. `run(job, **params)` runs one job and gives its results.

    Without `run` it is MLRun that calls, and its functions do the jobs.
    """
    if run is None:
        under_mlrun(graph)
        return
    run("materialise", graph=graph)
    trained = run("train", graph=graph)
    version = str(trained["best"])
    run("gate", graph=graph, version=version)
    run("promote", graph=graph, version=version)
    run("smoke-test", graph=graph)


def under_mlrun(graph: str) -> None:
    """The workflow with MLRun's functions.

    Raises SystemExit when a job fails: MLRun catches everything else, and `mlrun project` would
    report a failed workflow with exit status 0.
    """
    try:
        main(graph, run=mlrun_job)
    except Exception as error:
        traceback.print_exc()
        raise SystemExit(f"workflow main failed: {error}") from error


def mlrun_job(job: str, **params: Any) -> dict[str, Any]:
    """Run a job as a function of the current MLRun project, in this process.

    Raises RuntimeError when the job failed, MLRun's own error when it can't be run.
    """
    import mlrun

    run = mlrun.get_current_project().run_function(job, params=params, local=True)
    if run.status.state != "completed":
        # Without an API server a failed run has no error in it; the job's context still does.
        status = mlrun.get_or_create_ctx(job).to_dict()["status"]
        why = run.status.error or status.get("error") or "MLRun's log above says why"
        raise RuntimeError(f"{job}: {why}")
    results: dict[str, Any] = run.status.results
    return results
