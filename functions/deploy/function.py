"""Deploy: a graph to this machine, to Nuclio or to MLRun, an MLRun job and a plain function."""

# MLRun evaluates annotations that are strings, and knows only builtins: no annotations from
# __future__ in this file.

from typing import Any

from sluice.deploy.deployment import deploy as deploy_graph
from sluice.mlrun_jobs import logged


def deploy(
    context: Any = None, graph: str = "", *, target: str = "local", layout: str = "fused"
) -> dict[str, Any]:
    """Deploy a graph, or replace what is deployed, without a gap.

    Args:
        context: MLRun's, or None.
        graph: its name.
        target: local, nuclio or mlrun.
        layout: fused or steps.

    Returns where it answers. Raises GateFailed when the new version was refused, with the old one
    in its place; and what else sluice.deploy raises.
    """
    deployment = deploy_graph(graph, target, layout=layout, say=_say)
    results: dict[str, Any] = {"url": deployment.url, "target": target, "layout": layout}
    return logged(context, results)


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 (what a person watches)
