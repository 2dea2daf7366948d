"""The workflow `deploy`: a graph to where it is served.

`mlrun project . --run deploy --arguments target=nuclio` and `sluice run deploy` run it.
"""

from __future__ import annotations

from typing import Any

from sluice.mlrun_jobs import Run, under_mlrun


def deploy(graph: str = "flight-delay", run: Run | None = None, **params: Any) -> None:
    """Run the job once, with these parameters of it. Without `run` it is MLRun that calls."""
    if run is None:
        under_mlrun("deploy", deploy, graph=graph, **params)
        return
    run("deploy", graph=graph, **params)
