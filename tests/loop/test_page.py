"""docs/loop.md: its declaration is the defaults, its commands are commands, its names are there."""

from __future__ import annotations

import ast
import re
import shlex
from dataclasses import fields
from pathlib import Path

import yaml

from sluice.cli import parser
from sluice.loop import run
from sluice.loop.declared import Retrain

PAGE = (Path(__file__).parents[2] / "docs" / "loop.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_declaration_is_the_defaults() -> None:
    [block] = blocks("yaml")
    declared = yaml.safe_load(block)["spec"]["parameters"]["sluice"]["retrain"]
    assert Retrain.parse(declared, "page") == Retrain()


def test_the_commands_are_commands_and_the_python_is_python() -> None:
    for line in "".join(blocks("sh")).splitlines():
        arguments = shlex.split(line, comments=True)
        assert arguments[0] == "sluice"
        assert parser().parse_args(arguments[1:]).graph == "flight-delay"
    [python] = blocks("python")
    called = {n.attr for n in ast.walk(ast.parse(python)) if isinstance(n, ast.Attribute)}
    assert called == {"find", "step", "read_until", "run", "state"}


def test_each_field_and_state_is_on_the_page() -> None:
    names = {"every_s": "every", "cool_down_s": "cool_down", "runs": "budget", "per_s": "budget"}
    for field in fields(Retrain):
        assert f"| `{names.get(field.name, field.name)}` |" in PAGE
    for state in (*run.UNDER_WAY, run.PROMOTED):
        assert f"| {state} |" in PAGE
    for state in (run.DROPPED, run.FAILED, run.ROLLED_BACK):
        assert f"*{state}*" in PAGE
