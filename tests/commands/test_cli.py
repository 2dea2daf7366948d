"""The command line itself: what is not installed is named, with what installs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sluice.cli import main

# A module that is None in sys.modules is one that is not installed.
WITHOUT = "import sys; sys.modules[sys.argv[1]] = None; from sluice.cli import main; " \
    "sys.exit(main(sys.argv[2:]))"  # fmt: skip


@pytest.mark.parametrize(
    ("module", "extra", "command"),
    [
        ("sqlalchemy", "batch", ["batch", "flight-delay", "status"]),
        ("pandas", "train", ["run", "main", "--graph", "flight-delay"]),
    ],
)
def test_what_is_not_installed_is_named(module: str, extra: str, command: list[str]) -> None:
    run = [sys.executable, "-c", WITHOUT, module, *command]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    wanted = f"sluice: {module} is not installed: pip install -e '.[{extra}]'"
    assert wanted in done.stderr
    assert "Traceback" not in done.stderr


def test_an_error_in_a_declaration_is_told_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "project.yaml"
    file.write_text("kind: project\nmetadata: {name: x}\nspec:\n  params:\n    sluice: {prot: 1}\n")
    monkeypatch.setenv("SLUICE_PROJECT", str(tmp_path))
    assert main(["models", "list", "x"]) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith(f"sluice: {file}: spec.params.sluice.prot: no such setting")
    assert second == f"  at {file}:5"
