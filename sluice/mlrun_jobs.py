"""Jobs and workflows of the project under MLRun: jobs are its functions, in this process."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

Run = Callable[..., dict[str, Any]]


def under_mlrun(name: str, workflow: Callable[..., None], **arguments: Any) -> None:
    """Run a workflow with MLRun's functions.

    Raises SystemExit when a job fails: MLRun catches everything else, and `mlrun project` would
    report a failed workflow with exit status 0.
    """
    try:
        workflow(**arguments, run=mlrun_job)
    except Exception as error:
        traceback.print_exc()
        raise SystemExit(f"workflow {name} failed: {error}") from error


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


def logged(context: Any, result: dict[str, Any]) -> dict[str, Any]:
    """What a job gives back: its result, or nothing where MLRun's context has logged it."""
    if context is None:
        return result
    for name, value in result.items():
        context.log_result(name, value)
    return {}  # what a job returns, MLRun would log a second time, as `return`
