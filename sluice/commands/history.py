"""sluice history GRAPH [VERSION]: why each version was made, how it did, what became of it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from sluice.commands.show import as_json, json_option, say, table
from sluice.project import Project

if TYPE_CHECKING:
    from sluice.loop.history import Story


def add_to(groups: Any) -> None:
    """Declare the command."""
    text = "the story of each version; docs/loop.md"
    parser = groups.add_parser("history", help=text, description=text)
    parser.add_argument("graph", help="the graph's name")
    parser.add_argument("version", nargs="?", help="a number or an alias; left out: all")
    json_option(parser)
    parser.set_defaults(command=history)


def history(options: argparse.Namespace) -> None:
    """Oldest first; --json has the evidence."""
    from sluice.loop.history import stories
    from sluice.models.store import resolve
    from sluice.stores import model_store

    project = Project.find()
    project.graph_file(options.graph)
    models = model_store(project)
    found = stories(models, options.graph)
    if options.version is not None:
        number = resolve(models, options.graph, options.version)
        found = [story for story in found if story.version == number]
    if options.json:
        as_json([{**s._asdict(), "lines": [line._asdict() for line in s.lines]} for s in found])
        return
    for story in found:
        _tell(options.graph, story)


def _tell(graph: str, story: Story) -> None:
    say(f"{graph} version {story.version}: {story.now}")
    for cause in story.causes:
        say(f"because of {cause}")
    if story.metrics:
        say(", ".join(f"{name} {value:.4f}" for name, value in story.metrics.items()))
    table([line[:4] for line in story.lines], ("at", "what", "why", "by"))
    say("")
