"""The graph in process, beside the bare function and MLRun's graph."""

from __future__ import annotations

import json
import timeit
from statistics import median
from typing import Any

from bench.child import Child
from bench.in_process import PEERS
from bench.numbers import ratio
from bench.part import Bench, Figures, check_same
from sluice.graph.graph import Graph
from sluice.graph.spec import GraphSpec

_NAMES = {"bare": "bare", "sluice": "graph", "mlrun": "mlrun_sync"}
_CHECKED, _STEPS, _WARM_S = 100, 1000, 0.5


class Peer(Child):
    """A peer of bench/in_process.py, waiting for commands."""

    def __init__(self, name: str) -> None:
        super().__init__("bench.in_process", [name], name)

    def told(self, **command: float) -> Any:
        """The answer to a command."""
        return self.tell(json.dumps(command))


def graph(bench: Bench) -> Figures:
    """Microseconds for one record, one after the other."""
    with Peer("bare") as bare, Peer("sluice") as sluice, Peer("mlrun") as mlrun:
        children = {child.name: child for child in (bare, sluice, mlrun)}
        expected = bare.told(answers=_CHECKED)
        for child in children.values():
            check_same(child.name, child.told(answers=_CHECKED), expected)
            child.told(seconds=_WARM_S)
        found: dict[str, list[dict[str, float]]] = {name: [] for name in PEERS}
        for name in bench.turns("graph", PEERS):
            found[name].append(children[name].told(seconds=bench.seconds))
        steps = sluice.told(steps=_STEPS)
    timed = {f"graph_{name}": value for name, value in steps.items()}
    return {**_figures(found), **timed, "graph_empty_us": empty_steps()}


def empty_steps() -> float:
    """What the graph itself costs: five steps that do nothing, microseconds."""
    run = empty_graph(5).run
    return min(timeit.repeat(lambda: run(None), number=2000, repeat=20)) / 2000 * 1e6


def empty_graph(count: int) -> Graph:
    """So many steps, one after the other, that do nothing."""
    steps = {
        f"s{i}": {"class_name": "Nothing", "after": [f"s{i - 1}"] if i else []}
        for i in range(count)
    }
    spec = {"kind": "serving", "metadata": {"name": "empty"}, "spec": {"graph": {"steps": steps}}}
    return Graph(GraphSpec.parse(spec, "bench"), namespace={"Nothing": Nothing})


class Nothing:
    """A step that does nothing."""

    def do(self, body: Any) -> Any:
        return body


def _figures(found: dict[str, list[dict[str, float]]]) -> dict[str, float]:
    figures = {}
    for name, ours in _NAMES.items():
        for key, suffix in (("median_us", "us"), ("p99_us", "p99_us"), ("cpu_us", "cpu_us")):
            figures[f"{ours}_{suffix}"] = median(turn[key] for turn in found[name])
    for key, what in (("median_us", "graph"), ("cpu_us", "graph_cpu")):
        by_name = {name: [turn[key] for turn in turns] for name, turns in found.items()}
        figures[f"{what}_vs_bare"] = ratio(by_name["sluice"], by_name["bare"])
        figures[f"{what}_vs_mlrun_sync"] = ratio(by_name["sluice"], by_name["mlrun"])
    return figures
