"""The figures as a table for people, and as build/bench.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from bench.part import Figures

# What stands in the table above the rest: figure, what it is, whether less is better.
HEADLINES = (
    ("http_rps_vs_fastapi_ours", "requests/s, 64 connections, over FastAPI with our trees"),
    ("http_cpu_vs_fastapi_ours", "server CPU per request, over FastAPI with our trees"),
    ("http_rps_vs_fastapi_onnx", "requests/s, over FastAPI with ONNX Runtime"),
    ("http_cpu_vs_fastapi_onnx", "server CPU per request, over FastAPI with ONNX Runtime"),
    ("http_rps_vs_fastapi", "requests/s, 64 connections, over FastAPI with XGBoost"),
    ("http_cpu_vs_fastapi", "server CPU per request, over FastAPI with XGBoost"),
    ("http_p99_vs_fastapi", "p99 latency, 64 connections, over FastAPI with XGBoost"),
    ("cold_start_vs_fastapi", "cold start to the first 200, over FastAPI with XGBoost"),
    ("memory_vs_fastapi", "memory of all processes, over FastAPI with XGBoost"),
    ("graph_vs_mlrun_sync", "graph in process, over MLRun's graph with XGBoost"),
    ("graph_cpu_vs_mlrun_sync", "the same in CPU, monitoring's thread included"),
    ("graph_vs_bare", "graph in process, over the bare function with our back end"),
    ("stream_vs_http", "events a core answers on a stream, over requests that it answers by HTTP"),
    ("monitor_vs_http", "events a core counts in windows, over requests that it answers by HTTP"),
    ("batch_vs_xgboost", "rows/s from file to file, over XGBoost alone on a ready matrix"),
)


def table(figures: Figures) -> str:
    """Ratios first (ours divided by theirs), of the parts that were measured; then every figure."""
    lines = ["ours divided by theirs"]
    lines += [f"  {figures[n]:8.3f}  {text}" for n, text in HEADLINES if n in figures]
    lines += ["", "all figures"]
    width = max(map(len, figures))
    lines += [f"  {name:<{width}}  {_shown(value)}" for name, value in sorted(figures.items())]
    return "\n".join(lines)


def _shown(value: float) -> str:
    return f"{value:12.0f}" if value >= 1000 else f"{value:12.3f}"


def write(figures: Mapping[str, float], file: Path) -> None:
    """A flat JSON object from figure to number."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(dict(sorted(figures.items())), indent=1) + "\n")
