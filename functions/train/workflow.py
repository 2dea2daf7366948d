"""The workflow `main`: features → train → gate → promote → smoke test.

One order of jobs, two ways to run them: `mlrun project . --run main` has MLRun run each as a
function of the project; `sluice run main` calls them as plain functions, without MLRun.
"""

from __future__ import annotations

from sluice.mlrun_jobs import Run, under_mlrun


def main(graph: str = "flight-delay", run: Run | None = None) -> None:
    """Make a champion for a graph. `run(job, **params)` runs one job and gives its results.

    Without `run` it is MLRun that calls, and its functions do the jobs.
    """
    if run is None:
        under_mlrun("main", main, graph=graph)
        return
    run("materialise", graph=graph)
    trained = run("train", graph=graph)
    version = str(trained["best"])
    run("gate", graph=graph, version=version)
    run("promote", graph=graph, version=version)
    run("smoke-test", graph=graph)
