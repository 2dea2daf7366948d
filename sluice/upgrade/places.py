"""What a project has kept, and in which formats."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import lmdb

from sluice.environment import Kind
from sluice.errors import SluiceError, StoreUnavailable
from sluice.formats import FORMATS, Format
from sluice.project import Project
from sluice.upgrade.beside import old_of
from sluice.upgrade.log import is_older

CURRENT, READ, REWRITE = "current", "older: read as it is", "older: to be rewritten"
VERSIONS = "versions of "  # a graph
NEWER, NONE = "newer: use a newer Sluice", "not a format of ours"
_BY_NAME = {entry.name: entry for entry in FORMATS}
_BY_FILE = {entry.file: entry for entry in FORMATS if entry.file}


class Place(NamedTuple):
    """Something that was kept.

    Attributes:
        name: its format, as in docs/formats.md.
        where: a file, or a store and the graph.
        pieces: how many of them, of one number.
        found: the number; 0 where it is not known.
        written: the number that is written now.
        state: CURRENT, READ, REWRITE, NEWER, or why it cannot be read.
        old: what an upgrade before has kept.
    """

    name: str
    where: str
    pieces: int
    found: int
    written: int
    state: str
    old: Path | None = None


def places(project: Project) -> Iterator[Place]:
    """All that lies on this machine, in the model store and in the batch database.

    Raises DeclarationError, StoreUnavailable.
    """
    for file in logs(project):
        yield _log(file)
    yield from _environments(project)
    for graph in project.graphs:
        yield from _versions(project, graph)
        yield from _database(project, graph)
    yield from _trail(project)


def logs(project: Project) -> list[Path]:
    """The embedded logs of a project that are there."""
    from sluice.stores import events_url
    from sluice.streaming.open import stream_url
    from sluice.streams import is_log, log_path

    urls = [events_url(project), stream_url(project)]
    files = [log_path(url).resolve() for url in urls if is_log(url)]
    return [file for file in dict.fromkeys(files) if file.exists()]


def _log(file: Path) -> Place:
    from sluice.streams.layout import KIND

    found, older = _look(file, KIND)
    place = _place("log", str(file), found)
    if place.state in (CURRENT, READ):
        place = place._replace(state=REWRITE if older else CURRENT)
    old = old_of(file)
    return place._replace(old=old if old.exists() and not old.samefile(file) else None)


def _environments(project: Project) -> Iterator[Place]:
    from sluice.alerts import state as alerts
    from sluice.canary import state as canary
    from sluice.features import embedded
    from sluice.routing import ledger_lmdb
    from sluice.windows import state as windows
    from sluice.windows.open import folder

    settings, monitors = project.settings, Path(folder(project))
    features = project.path(settings.features, "features")
    rewards = project.path(settings.rewards, "rewards")
    found = [
        ("feature store", features, embedded.KIND),
        ("ledger of rewards", rewards, ledger_lmdb.KIND),
        ("canary's counts", project.path("", "canary"), canary.KIND),
        *(("monitor's windows", str(f), windows.KIND) for f in monitors.glob("*.windows")),
        *(("alerts' state", str(f), alerts.KIND) for f in monitors.glob("*.alerts")),
    ]
    for name, where, kind in found:
        path = Path(where.removeprefix("file://"))
        if "://" not in str(path) and (path / "data.mdb" if kind.folder else path).exists():
            yield _place(name, str(path), _look(path, kind)[0])


def _look(path: Path, kind: Kind) -> tuple[int, bool]:
    """The number that an environment says, 0 if none, and whether a log has anything older in it.

    Nothing is changed. Raises StoreUnavailable when LMDB fails.
    """
    try:
        opened: Any = lmdb.open(str(path), subdir=kind.folder, readonly=True, max_readers=1024)
        with closing(opened) as environment, environment.begin() as txn:
            mark = txn.get(kind.key, b"")
            number = mark.removeprefix(kind.prefix)
            if not mark.startswith(kind.prefix) or not number.isdigit():
                return 0, False
            found = int(number)
            return found, kind.name == "log" and found <= kind.format and is_older(txn)
    except lmdb.Error as error:
        raise StoreUnavailable(f"{kind.name} {path}: {error}") from error


def _versions(project: Project, graph: str) -> Iterator[Place]:
    """The files of all versions, together where they are of one kind and number."""
    from sluice.stores import model_store

    store, found = model_store(project), Counter[tuple[str, int]]()
    for version in store.versions(graph):
        try:
            stored = store.read(graph, version)
        except SluiceError as error:
            manifest = _BY_FILE["manifest.json"]
            yield Place(manifest.name, f"{graph} {version}", 1, 0, manifest.number, str(error))
            continue
        found["manifest", stored.manifest.format] += 1
        found.update(
            (_BY_FILE[name].name, _number(data))
            for name, data in stored.files.items()
            if name in _BY_FILE
        )
    for (name, number), count in sorted(found.items()):
        yield _place(name, f"{VERSIONS}{graph}", number, count)


def _database(project: Project, graph: str) -> Iterator[Place]:
    if not project.settings.database and not Path(project.path("", "batch.db")).exists():
        return
    from sqlalchemy import inspect, select

    from sluice.batch.database import open_database

    with closing(open_database(project, graph)) as database:
        about = database.tables.about
        if not inspect(database.engine).has_table(about.name):
            return
        with database.engine.connect() as connection:
            value = connection.execute(select(about.c.value).where(about.c.name == "format"))
            yield _place("batch database", f"{database}, {graph}", int(value.scalar() or 0))


def _trail(project: Project) -> Iterator[Place]:
    from sluice.audit.open import open_trail

    trail = open_trail(project)
    for number, count in sorted(Counter(_number(line) for line in trail.raw()).items()):
        yield _place("audit trail", str(trail.file), number, count)


def _number(data: bytes) -> int:
    """What a JSON document says its format is, 0 if nothing."""
    try:
        found = json.loads(data)
    except ValueError:
        return 0
    number = found.get("format") if isinstance(found, dict) else None
    return number if type(number) is int else 0


def _place(name: str, where: str, found: int, count: int = 1) -> Place:
    entry = _BY_NAME[name]
    return Place(name, where, count, found, entry.number, _state(entry, found))


def _state(entry: Format, found: int) -> str:
    if found == entry.number:
        return CURRENT
    if found > entry.number:
        return NEWER
    return READ if found >= entry.oldest else NONE


def problems(found: Iterable[Place]) -> list[Place]:
    """Those that are not as today's Sluice would leave them, and need something done."""
    return [place for place in found if place.state not in (CURRENT, READ)]
