"""docs/routing/canary.md: its declaration loads, its commands are commands, its names are there."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import yaml

from sluice.canary.plan import ERRORS, LATENCY, LOSS, MISSING, PARAMETERS
from sluice.cli import parser
from sluice.routing.canary import Canary
from sluice.routing.policy import make_policy

PAGE = (Path(__file__).parents[2] / "docs" / "routing" / "canary.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_declaration_loads() -> None:
    [block] = blocks("yaml")
    params = yaml.safe_load(block)["class_args"]
    policy = make_policy(params.pop("policy"), params, "router.class_args")
    assert isinstance(policy, Canary)
    assert [stage.hold_s for stage in policy.plan.stages] == [1800, 14400, 86400]
    assert set(policy.plan.margins()) == {ERRORS, LATENCY, LOSS}


def test_the_commands_are_commands_and_the_python_is_python() -> None:
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    for line in lines:
        arguments = shlex.split(line, comments=True)
        assert arguments[0] == "sluice"
        assert parser().parse_args(arguments[1:]).graph == "flight-delay"
    [python] = blocks("python")
    called = {n.attr for n in ast.walk(ast.parse(python)) if isinstance(n, ast.Attribute)}
    assert called == {"open", "find", "start", "look", "action", "why", "state"}


def test_each_parameter_and_comparison_is_on_the_page() -> None:
    for name in (*PARAMETERS, "key", "state"):
        assert f"`{name}" in PAGE, name
    for name in (ERRORS, MISSING, LATENCY, LOSS):
        assert f"- `{name}`" in PAGE
