"""docs/routing: each declaration loads, each command is one, each parameter is on its page."""

from __future__ import annotations

import inspect
import re
import shlex
from pathlib import Path

import pytest
import yaml

from sluice.cli import parser
from sluice.routing.learning import Learning
from sluice.routing.policy import POLICIES, make_policy

PAGES = Path(__file__).parents[2] / "docs" / "routing"
LEARNING = [
    "epsilon_greedy", "hedge", "linear_thompson", "linucb", "online_stack", "thompson", "ucb1",
]  # fmt: skip


def page(name: str) -> str:
    return (PAGES / f"{name}.md").read_text("utf-8")


def blocks(name: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page(name), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", ["learning", *(n.replace("_", "-") for n in LEARNING)])
def test_declarations_load(name: str) -> None:
    for block in blocks(name, "yaml"):
        params = yaml.safe_load(block)["class_args"]
        policy = make_policy(params.pop("policy"), params, "router.class_args")
        assert isinstance(policy, Learning)
        assert name == "learning" or policy.policy == name.replace("-", "_")


@pytest.mark.parametrize("name", LEARNING)
def test_each_parameter_is_on_a_page(name: str) -> None:
    module, _, kind = POLICIES[name].partition(":")
    made = getattr(__import__(module, fromlist=[kind]), kind)
    text = page(name.replace("_", "-")) + page("learning")
    for one in made.__mro__[:-2]:
        for parameter in list(inspect.signature(one.__init__).parameters)[1:]:
            if parameter not in ("shared", "self"):
                assert f"`{parameter}" in text, (name, parameter)
    assert f"`{name}`" in page("learning")
    assert f"{name.replace('_', '-')}.md" in page("learning")


@pytest.mark.parametrize("name", ["learning", "evaluation"])
def test_the_commands_are_commands(name: str) -> None:
    lines = [line for block in blocks(name, "sh") for line in block.splitlines()]
    assert lines
    for line in lines:
        arguments = shlex.split(line, comments=True)
        assert arguments[0] == "sluice"
        assert parser().parse_args(arguments[1:]).graph == "flight-delay"
