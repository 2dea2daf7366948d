"""The command line itself: what is not installed is named, with what installs it."""

from __future__ import annotations

import subprocess
import sys

import pytest

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
