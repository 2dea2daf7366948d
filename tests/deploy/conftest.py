"""A project of a graph and its functions, whose declaration tests change."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from sluice.deploy.declared import STEPS
from sluice.project import Project
from tests.conftest import ROOT

Make = Callable[..., Project]

ENOUGH: dict[str, Any] = {
    "replicas": {"min": 2, "max": 4},
    "env": {"SLUICE_MODELS": "s3://bucket/models", "SLUICE_FEATURES": "redis://redis:6379/0"},
    "secrets": {"SLUICE_DATABASE": "shop/database-url", "SLUICE_SALT": "shop/salt"},
    "kafka": {"brokers": "one:9092,two:9092", "partitions": 8, "cluster": "kafka"},
    "ingress": {"host": "shop.example.com", "authentication": {"kind": "none"}},
    "batch": {"schedule": "0 * * * *"},
}


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Makes the project; `deploy` is what its graph declares, `params` are its settings, `router`
    its router's class_args, `rules` those of its postprocessing, `retrain` when it is trained
    again.
    """

    def project(
        deploy: Any = ENOUGH, params: Any = None, name: str = "orders", **declared: Any
    ) -> Project:
        sluice = {"format": 1, "graph": name, "features": "features.yaml", "deploy": deploy}
        if "retrain" in declared:
            sluice["retrain"] = declared["retrain"]
        steps: dict[str, Any] = {
            step: {"class_name": f"functions.{step}.function.{step.title()}", "after": after}
            for step, after in zip(STEPS, ([], *([s] for s in STEPS[:-1])), strict=True)
        }
        steps["router"]["class_args"] = declared.get("router", {})
        steps["postprocess"]["class_args"] = {"rules": declared.get("rules", [])}
        steps["postprocess"]["responder"] = True
        graph = {
            "kind": "serving",
            "metadata": {"name": name},
            "spec": {"parameters": {"sluice": sluice}, "graph": {"steps": steps}},
        }
        spec = {
            "params": {"sluice": params or {}},
            "functions": [{"name": name, "url": "graph.yaml"}],
        }
        _write(tmp_path / "graph.yaml", graph)
        _write(tmp_path / "project.yaml", {"metadata": {"name": "shop"}, "spec": spec})
        for file in sorted((ROOT / "functions").glob("*/function.yaml")):
            folder = tmp_path / "functions" / file.parent.name
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, folder)
        return Project.read(tmp_path)

    return project


def _write(path: Path, data: Any) -> None:
    path.write_text(yaml.safe_dump(data), "utf-8")
