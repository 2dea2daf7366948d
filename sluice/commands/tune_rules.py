"""sluice tune-rules GRAPH: what each setting of the rules costs in relevance, and brings."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from sluice.commands.show import as_json, json_option, say, table
from sluice.errors import SluiceError
from sluice.project import Project


def add_to(groups: Any) -> None:
    """Declare the command."""
    text = "sweep the parameters of a ranking graph's rules, and draw what they cost and bring"
    parser = groups.add_parser("tune-rules", help=text, description=text)
    parser.add_argument("graph", help="the graph's name")
    add = parser.add_argument
    text = "a rule whose parameters follow; several may be named"
    add("--rule", dest="sweep", action=_Rule, metavar="RULE", default={}, help=text)
    text = "a parameter of the rule before it, and its values: diversity=0.1,0.3,0.5"
    add("--param", dest="sweep", action=_Param, metavar="NAME=A,B,C", default={}, help=text)
    add("--out", type=Path, default=Path("build/tune-rules"), help="default: build/tune-rules")
    add("--questions", type=int, default=0, metavar="N", help="of each split N at most; 0: all")
    text = "the share of relevance that the chosen setting may cost (default: 0.05)"
    add("--price", type=float, default=0.05, metavar="SHARE", help=text)
    add("--from-start", action="store_true", help="forget what an earlier run measured")
    json_option(parser)
    parser.set_defaults(command=tune)


class _Rule(argparse.Action):
    """`--rule mmr`: begins the parameters of a rule."""

    def __call__(self, parser: Any, namespace: Any, value: Any, option: Any = None) -> None:
        namespace.sweep = {**namespace.sweep, value: {}}


class _Param(argparse.Action):
    """`--param diversity=0.1,0.3`: the values of a parameter of the last rule."""

    def __call__(self, parser: Any, namespace: Any, value: Any, option: Any = None) -> None:
        name, equals, values = value.partition("=")
        if not namespace.sweep:
            parser.error(f"--param {value}: name its --rule before it")
        if not name or not equals or not values:
            parser.error(f"--param {value}: expected NAME=A,B,C")
        *before, rule = namespace.sweep
        parameters = {**namespace.sweep[rule], name: [_value(v) for v in values.split(",")]}
        namespace.sweep = {**{r: namespace.sweep[r] for r in before}, rule: parameters}


def _value(text: str) -> Any:
    """A number, true, false or null as in JSON; anything else is a text."""
    try:
        return json.loads(text)
    except ValueError:
        try:
            return float(text)  # .3
        except ValueError:
            return text


def tune(options: argparse.Namespace) -> None:
    """Sweep, then print, write and draw the frontier."""
    from sluice.tuning.report import HEADINGS, as_data, rows
    from sluice.tuning.run import Plan, Run

    if not 0 <= options.price < 1:
        raise SluiceError(f"--price {options.price}: expected a share from 0 to below 1")
    if options.questions < 0:
        raise SluiceError(f"--questions {options.questions}: expected 0 or more")
    plan = Plan(
        graph=options.graph,
        sweep=options.sweep,
        out=options.out,
        most=options.questions,
        allowed=options.price,
        from_start=options.from_start,
    )
    try:
        tried = Run(Project.find(), plan)()
    except KeyboardInterrupt:
        say("stopped: the same command goes on from here")
        raise
    if options.json:
        as_json(as_data(tried))
        return
    table(rows(tried), HEADINGS)
    say(f"frontier.png, frontier.json and results.jsonl are in {options.out}")
