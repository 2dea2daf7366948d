"""The command: each one imports its own group alone, and is as it is among all."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

import sluice
from sluice.cli import GROUPS, groups_of, main, parser


def commands(parser: argparse.ArgumentParser) -> Mapping[str, argparse.ArgumentParser]:
    [action] = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    return action.choices


@pytest.mark.parametrize("name", commands(parser()))
def test_each_command_needs_its_own_group_alone(name: str) -> None:
    [group] = groups_of([name, "--help"])
    alone = commands(parser([group]))
    assert alone[name].format_help() == commands(parser())[name].format_help()


def test_every_group_is_there() -> None:
    files = {path.stem for path in (Path(sluice.__file__).parent / "commands").glob("*.py")}
    assert set(GROUPS) <= files
    parser()
    told = {f for f in files if hasattr(sys.modules.get(f"sluice.commands.{f}"), "add_to")}
    assert told - {"models_add"} == set(GROUPS)  # that one is a command of `sluice models`


@pytest.mark.parametrize("arguments", [[], ["--help"], ["nope"], ["__init__"], ["--", "serve"]])
def test_what_is_no_command_is_told_of_all(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert list(groups_of(arguments)) == list(GROUPS)
    if arguments[-1:] == ["nope"]:
        with pytest.raises(SystemExit):
            main(arguments)
        assert "tune-rules" in capsys.readouterr().err


def test_serving_imports_no_other_command() -> None:
    code = (
        "import sys; from sluice.cli import parser; parser(['serve']);"
        "print(*(m for m in sys.modules if m.startswith('sluice.commands.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {"sluice.commands.serve", "sluice.commands.host"}
