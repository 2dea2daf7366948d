"""sluice advise GRAPH: which pattern, how many workers, what it costs, by figures measured now."""

from __future__ import annotations

import argparse
from typing import Any

from sluice.commands.show import as_json, json_option, say, table
from sluice.declaration import Section
from sluice.errors import SluiceError
from sluice.project import Project

_LEAST_S, _MOST_S = 1.0, 600.0


def add_to(groups: Any) -> None:
    """Declare the command."""
    text = "say by which pattern to serve a graph, with how many workers; docs/choosing.md"
    parser = groups.add_parser("advise", help=text, description=text)
    parser.add_argument("graph", help="the graph's name")
    _load_options(parser)
    _time_options(parser)
    add = parser.add_argument
    add("--price", type=float, metavar="PER_CORE_HOUR", help="default: 0.05")
    add("--currency", metavar="TEXT", help="of the price; default: USD")
    add("--seconds", type=float, default=15.0, help="to measure for, about; default: 15")
    json_option(parser)
    parser.set_defaults(command=advise)


def _load_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--average", type=float, metavar="RPS", required=True, help="records per second")
    add("--peak", type=float, metavar="RPS", help="default: three times the average")
    add("--peak-lasts", metavar="DURATION", help="such as 90s, 15m, 2h; default: 10m")


def _time_options(parser: argparse.ArgumentParser) -> None:
    # Flags that are given are True; those that are not say nothing.
    flag: dict[str, Any] = {"action": "store_const", "const": True}
    add = parser.add_argument
    add("--batch", help="answers may come all at once, later", **flag)
    add("--real-time", help="records are answered as they come", **flag)
    add("--wait", dest="waits", help="the caller waits for the answer; the default", **flag)
    text = "the caller goes on; the default with --batch or --deadline"
    add("--no-wait", dest="waits", action="store_const", const=False, help=text)
    add("--latency", type=float, metavar="MS", help="budget of the 99th percentile; default: none")
    text = "for answers that nobody waits for; default: 1h, in real time 1m"
    add("--deadline", metavar="DURATION", help=text)


def advise(options: argparse.Namespace) -> int:
    """Measure, advise, tell. 1 where no pattern does what is asked."""
    # Here, so that other commands load none of it.
    from sluice.advice import tell
    from sluice.advice.advise import advise as choose
    from sluice.advice.measure import measure
    from sluice.advice.needs import Needs

    if not _LEAST_S <= options.seconds <= _MOST_S:
        raise SluiceError(f"--seconds {options.seconds:g}: expected {_LEAST_S:g} to {_MOST_S:g}")
    needs = Needs.of(given(options))
    advice = choose(needs, measure(Project.find(), options.graph, options.seconds))
    if options.json:
        as_json(tell.as_data(advice))
    else:
        _show(advice)
    return 0 if advice.chosen else 1


def given(options: argparse.Namespace) -> dict[str, Any]:
    """What was said, in the words of Needs."""
    latency = options.latency
    values = {
        "average": options.average,
        "peak": options.peak,
        "peak_s": _seconds("--peak-lasts", options.peak_lasts),
        "waits": options.waits,
        "batch": options.batch,
        "real_time": options.real_time,
        "latency_s": None if latency is None else latency / 1000,
        "deadline_s": _seconds("--deadline", options.deadline),
        "price": options.price,
        "currency": options.currency,
    }
    return {name: value for name, value in values.items() if value is not None}


def _seconds(option: str, text: str | None) -> Any:
    return Section({option: text}, "options").duration(option, None)


def _show(advice: Any) -> None:
    from sluice.advice import tell

    say(tell.headline(advice))
    say("")
    head, rows = tell.patterns(advice)
    table(rows, head)
    say("")
    for line in (*tell.whys(advice), "", *tell.asked(advice.needs), ""):
        say(line)
    head, rows = tell.figures(advice.measured)
    table(rows, head)
    say(tell.note(advice.measured))
