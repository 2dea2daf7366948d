"""docs/choosing.md says what is so."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path

import pytest

from sluice.advice.advise import advise
from sluice.advice.needs import Needs
from sluice.advice.queue import TARGET
from sluice.advice.served import CONNECTIONS
from sluice.cli import parser
from sluice.commands.advise import given
from tests.advice.samples import MEASURED

PAGE = (Path(__file__).parents[2] / "docs" / "choosing.md").read_text("utf-8")
ROWS = re.findall(r"^\| (?:does not wait|waits) \|.*\| (`.*) \| (\w+) \|$", PAGE, re.MULTILINE)


def options(text: str) -> argparse.Namespace:
    return parser().parse_args(["advise", "flight-delay", *shlex.split(text)])


def test_each_option_is_there() -> None:
    commands = next(a for a in parser()._actions if isinstance(a, argparse._SubParsersAction))
    for action in commands.choices["advise"]._actions:
        for name in action.option_strings:
            assert name in ("-h", "--help") or f"`{name}`" in PAGE, name


def test_the_commands_are_commands() -> None:
    lines = re.findall(r"^sluice advise flight-delay (.*)$", PAGE, re.MULTILINE)
    assert len(lines) == 3
    for line in lines:
        assert Needs.of(given(options(line))).average == 300


@pytest.mark.parametrize(("asked", "pattern"), ROWS)
def test_the_table_is_what_is_advised(asked: str, pattern: str) -> None:
    text = asked.split("`")[1]
    found = advise(Needs.of(given(options(f"--average 100 {text}"))), MEASURED)
    assert found.chosen is not None
    assert found.chosen.pattern == pattern


def test_the_figures() -> None:
    assert len(ROWS) == 7
    assert f"{100 * TARGET:.0f} %" in PAGE
    assert f"then by {CONNECTIONS}" in PAGE
