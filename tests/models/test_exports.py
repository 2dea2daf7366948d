"""Models of libraries that are not ours, exported to ONNX by their own means, and served.

torch and lightgbm are not among our pins: they are taken from here if they are installed, else from
the environment whose folder TORCH_VENV or LIGHTGBM_VENV names.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sluice.errors import SluiceError
from sluice.service import Service
from tests.conftest import ROOT
from tests.several.made import Made


def export(library: str, folder: Path) -> list[dict[str, Any]]:
    """What the library answers, record by record; a skip that says what is missing."""
    variable = f"{library.upper()}_VENV"
    if variable in os.environ:
        python = str(Path(os.environ[variable]).resolve() / "bin" / "python")
    elif importlib.util.find_spec(library):
        python = sys.executable
    else:
        pytest.skip(f"{library} is not installed, and {variable} names no environment with it")
    script = str(ROOT / "tests" / "several" / "export.py")
    command = [python, script, library, str(folder)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr
    cases: list[dict[str, Any]] = json.loads((folder / "answers.json").read_text("utf-8"))
    return cases


def test_a_network_of_pytorch(tmp_path: Path) -> None:
    cases = export("torch", tmp_path)
    title = {"type": "integer", "shape": [6], "minimum": 0, "maximum": 49}
    image = {"type": "number", "shape": [3, 8, 8], "minimum": 0, "maximum": 1}
    lax = Made(tmp_path, {"image": image, "title": {**title, "maximum": 99}})
    with pytest.raises(SluiceError, match="the model does not answer"):
        lax.add(tmp_path / "model.onnx", [{**cases[0]["record"], "title": [99] * 6}])
    made = Made(tmp_path, {"image": image, "title": title})
    application = made.champion(tmp_path / "model.onnx")
    with Service.open(made.project, "several", application=application) as service:
        answers = service.predict([case["record"] for case in cases])
        for answer, case in zip(answers, cases, strict=True):
            wanted = case["answer"]
            np.testing.assert_allclose(answer["classes"], wanted["classes"], atol=1e-6)
            assert answer["price"] == pytest.approx(wanted["price"], abs=1e-6)


def test_a_classifier_of_lightgbm(tmp_path: Path) -> None:
    cases = export("lightgbm", tmp_path)
    made = Made(tmp_path, {"x": {"type": "number", "shape": [6]}})
    file, classes = tmp_path / "model.onnx", ["low", "middle", "high"]
    wanted: dict[str, Any] = {"task": "classification", "classes": classes}
    application = made.champion(file, outputs=["probabilities"], **wanted)
    with Service.open(made.project, "several", application=application) as service:
        answers = service.predict([case["record"] for case in cases])
        for answer, case in zip(answers, cases, strict=True):
            found = list(answer["probabilities"].values())
            np.testing.assert_allclose(found, case["answer"], atol=1e-6)
            assert answer["label"] == classes[int(np.argmax(case["answer"]))]
