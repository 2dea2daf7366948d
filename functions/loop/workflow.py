"""The workflow `loop`: look whether a graph's models are to be trained again, and go on with it.

`mlrun project . --run loop` and `sluice run loop` do it once, as `sluice loop run --once` does;
project.yaml has the schedule by which an MLRun server runs it.
"""

from __future__ import annotations

from sluice.loop.open import look, opened
from sluice.mlrun_jobs import Run, under_mlrun
from sluice.project import Project


def loop(graph: str = "flight-delay", run: Run | None = None) -> None:
    """One step. `run(job, **params)` runs one job and gives its results.

    Without `run` it is MLRun that calls, and its functions do the jobs.
    """
    if run is None:
        under_mlrun("loop", loop, graph=graph)
        return
    with opened(Project.find(), graph, run) as opened_:
        look(*opened_)
