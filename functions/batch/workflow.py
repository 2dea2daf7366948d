"""The workflow `batch`: answer what is pending in a graph's database.

`mlrun project . --run batch` and `sluice run batch` run it once; project.yaml has the schedule
by which an MLRun server runs it.
"""

from __future__ import annotations

from typing import Any

from sluice.mlrun_jobs import Run, under_mlrun


def batch(graph: str = "flight-delay", run: Run | None = None, **params: Any) -> None:
    """Run the job once, with these parameters of it. Without `run` it is MLRun that calls."""
    if run is None:
        under_mlrun("batch", batch, graph=graph, **params)
        return
    run("batch", graph=graph, **params)
