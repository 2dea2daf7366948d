"""sluice expire GRAPH: what is older than the settings keep goes, now."""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sluice.commands.show import as_json, json_option, say
from sluice.project import Project

# The graph's topics of what was answered; the others are those of its stream, maybe in one log.
_TOLD = ("events", "feedback", "shadow", "events.dead-letters")


def add_to(groups: Any) -> None:
    """Declare the command."""
    text = "delete what retention by age does not keep; docs/governance.md"
    parser = groups.add_parser("expire", help=text, description=text)
    parser.add_argument("graph", help="the graph's name")
    parser.set_defaults(command=expire_old)
    json_option(parser)


def expire_old(options: argparse.Namespace, clock: Callable[[], float] = time.time) -> None:
    """How many records went, by place. It may be stopped, and goes on the next time."""
    from tqdm import tqdm

    from sluice.audit.act import act

    project = Project.find()
    project.graph_file(options.graph)
    gone: Counter[str] = Counter()
    with act(project, "expire", graph=options.graph) as told:
        for place, count in tqdm(_old(project, options.graph, clock()), disable=options.json):
            gone[place] += count
        told |= {"deleted": dict(gone)}
    if options.json:
        as_json(dict(gone))
        return
    for place, count in gone.items():
        say(f"{place}: {count} records")
    if not gone:
        say(f"{options.graph}: nothing is older than what is kept")


def _old(project: Project, graph: str, now: float) -> Iterator[tuple[str, int]]:
    from sluice.stores import events_url
    from sluice.streaming.open import read_parameters, stream_url
    from sluice.streaming.topics import Topics

    settings = project.settings
    prefix = f"{project.name}.{graph}."
    told = {f"{prefix}{name}" for name in _TOLD}
    named = set(Topics.of(project.name, graph, read_parameters(project, graph)))

    def asked(topic: str) -> bool:
        return topic not in told and (topic.startswith(prefix) or topic in named)

    yield from _topics(events_url(project), told.__contains__, now - settings.retention_s)
    if settings.stream_retention_s:
        yield from _topics(stream_url(project), asked, now - settings.stream_retention_s)
    if settings.database_retention_s:
        yield from _predictions(project, graph, now - settings.database_retention_s)


def _topics(url: str, wanted: Callable[[str], bool], before: float) -> Iterator[tuple[str, int]]:
    from sluice.environment import acquire, release
    from sluice.streams import is_log, log_path
    from sluice.streams.erase import topics
    from sluice.streams.expire import expire
    from sluice.streams.layout import KIND

    if not is_log(url) or not Path(log_path(url)).exists():
        return
    env = acquire(log_path(url), KIND, time.monotonic)
    try:
        for topic in topics(env):
            if wanted(topic):
                for count in expire(env, topic, before):
                    yield f"topic {topic}", count
    finally:
        release(env)


def _predictions(project: Project, graph: str, before: float) -> Iterator[tuple[str, int]]:
    from sluice.batch.database import open_database
    from sluice.batch.expire import expire

    database = open_database(project, graph)
    try:
        for count in expire(database, before):
            yield f"database {database}", count
    finally:
        database.close()
