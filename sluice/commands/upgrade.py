"""sluice upgrade: what older versions have left is found, said, and rewritten where it must be."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluice.commands.show import as_json, json_option, say, table
from sluice.errors import SluiceError
from sluice.project import Project

if TYPE_CHECKING:
    from sluice.upgrade.places import Place


def add_to(groups: Any) -> None:
    """Declare the command."""
    text = "rewrite what is in an older format; docs/formats.md"
    parser = groups.add_parser("upgrade", help=text, description=text)
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--check", action="store_true", help="only say what is in which format")
    only.add_argument("--drop-old", action="store_true", help="delete what was kept")
    parser.set_defaults(command=upgrade)
    json_option(parser)


def upgrade(options: argparse.Namespace) -> int:
    """1 where something is left to be done, by this command or a newer Sluice."""
    from sluice.upgrade.places import places, problems

    project = Project.find()
    if options.drop_old:
        _drop(project)
    elif not options.check:
        _rewrite(project, options)
    found = list(places(project))
    _tell(options, found)
    return int(bool(problems(found)))


def _rewrite(project: Project, options: argparse.Namespace) -> None:
    from sluice.audit.act import act
    from sluice.upgrade.log import upgrade as rewrite
    from sluice.upgrade.places import REWRITE, places

    files = [Path(place.where) for place in places(project) if place.state == REWRITE]
    for file in files:
        with act(project, "upgrade", file=str(file)), _bar(options, file.name) as progress:
            rewrite(file, progress)


def _drop(project: Project) -> None:
    """Delete what was kept of files that are in today's format. Raises SluiceError for others."""
    from sluice.audit.act import act
    from sluice.upgrade.places import CURRENT, places

    for place in places(project):
        if place.old is None:
            continue
        if place.state != CURRENT:
            raise SluiceError(f"{place.where} is {place.state}: {place.old} stays")
        with act(project, "drop old", file=str(place.old)):
            place.old.unlink()


def _tell(options: argparse.Namespace, found: list[Any]) -> None:
    from sluice.upgrade.places import REWRITE

    if options.json:
        as_json([place._asdict() for place in found])
        return
    table(list(rows(found)), ("what", "where", "count", "format", "written", ""))
    for place in found:
        if place.old is not None:
            size = place.old.stat().st_size
            say(f"kept: {place.old}, {size:,} bytes; sluice upgrade --drop-old deletes it")
    if options.check and any(place.state == REWRITE for place in found):
        say("sluice upgrade rewrites what has to be; end what uses it before")


def rows(found: Iterable[Place]) -> Iterator[tuple[str, str, int, int | str, int, str]]:
    """A row for each place, all graphs' versions in one; what is current comes last."""
    from sluice.upgrade.places import CURRENT, VERSIONS

    alike: dict[tuple[Any, ...], list[Place]] = {}
    for place in found:
        one = VERSIONS if place.where.startswith(VERSIONS) else place.where
        key = place.state == CURRENT, place.name, one, place.found, place.state
        alike.setdefault(key, []).append(place)
    for _, places in sorted(alike.items()):
        first, count = places[0], sum(place.pieces for place in places)
        where = first.where if len(places) == 1 else f"{VERSIONS}{len(places)} graphs"
        yield first.name, where, count, first.found or "?", first.written, first.state


@contextmanager
def _bar(options: argparse.Namespace, name: str) -> Iterator[Callable[[str, int], object]]:
    """Progress on standard error."""
    from tqdm import tqdm

    with tqdm(unit="", unit_scale=True, disable=options.json) as bar:

        def progress(step: str, more: int) -> None:
            bar.set_description(f"{name} {step}", refresh=False)
            bar.update(more)

        yield progress
