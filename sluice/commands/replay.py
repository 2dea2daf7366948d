"""sluice replay GRAPH: a recorded time played again, and how good the answers were."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from sluice.commands.recorded import check_count, recorded_options, resumable
from sluice.commands.show import say, table
from sluice.errors import SluiceError
from sluice.project import Project


def add_to(groups: Any) -> None:
    """Declare the command."""
    text = "play a graph's recorded questions, events and labels in the order of their times"
    parser = groups.add_parser("replay", help=text, description=text)
    recorded_options(parser)
    add = parser.add_argument
    add("--url", help="a server, such as http://127.0.0.1:8080; without, in this process")
    add("--speed", default="max", help="times real time, or max (the default)")
    text = "start with a store of the replay's own, and ingest each event when it is known"
    add("--ingest", action="store_true", help=text)
    add("--feedback", action="store_true", help="send the server each label when it is known")
    text = "the policy learns from each label when it is known; what it knows is kept in FOLDER"
    add("--learn", type=Path, metavar="FOLDER", help=text)
    add("--out", type=Path, default=Path("build/replay"), help="default: build/replay")
    add("--at-once", type=int, default=1000, metavar="N", help="most records in one request")
    parser.set_defaults(command=play)


def play(options: argparse.Namespace) -> None:
    """Play, then print, write and draw the scores."""
    # Here, so that other commands load none of it, and what is not installed is missed at once.
    from sluice.playback.recording import window
    from sluice.playback.replay import Plan, replay
    from sluice.playback.scores import HEADINGS, rows

    start, end = window(options.first, options.last)
    check_count("--at-once", options.at_once)
    plan = Plan(
        graph=options.graph,
        start=start,
        end=end,
        url=options.url,
        ingest=options.ingest,
        feedback=options.feedback,
        learn=options.learn,
        speed=_speed(options.speed),
        at_once=options.at_once,
        out=options.out,
        from_start=options.from_start,
    )
    with resumable("from here"):
        report = replay(Project.find(), plan)
    table(rows(report), HEADINGS)
    say(f"scores.json, outcomes.csv and replay.png are in {options.out}")


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise SluiceError(f"--speed {text}: expected a number above 0, or max")
    return speed
