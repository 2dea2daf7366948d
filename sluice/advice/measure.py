"""A graph measured here and now, in all three patterns, by records that its champion carries."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from tqdm import tqdm

from sluice.advice import batched, served, streamed
from sluice.advice.measured import Measured
from sluice.advice.processes import machine
from sluice.advice.subject import Records, Subject
from sluice.errors import NotFound, SluiceError, VersionRefused
from sluice.live import CHAMPION
from sluice.models.store import resolve
from sluice.project import Project
from sluice.replay import REPLAY_FILE, Replay
from sluice.stores import model_store
from sluice.workflow import has_champion

# Parts of the time that is left then; the rest is for processes to start.
_HTTP, _STREAM, _BATCH = 0.2, 0.3, 0.3
_LEAST_S = 0.5

T = TypeVar("T")


def measure(project: Project, graph: str, seconds: float) -> Measured:
    """The figures of a graph's champion, in about so many seconds.

    Nothing of the project's is written: events, streams and databases are in a temporary folder,
    models and features are read where they are.

    Raises NotFound (no champion yet), VersionRefused, DeclarationError; SluiceError where a
    record of the version is not answered.
    """
    version, records = carried(project, graph)
    began = time.monotonic()

    def some(part: float) -> float:
        return max(_LEAST_S, part * (began + seconds - time.monotonic()))

    with (
        TemporaryDirectory(prefix="sluice-advise-", ignore_cleanup_errors=True) as name,
        tqdm(total=3, desc="HTTP", unit="pattern", disable=None) as bar,
    ):
        subject = Subject(elsewhere(project, Path(name)), graph, records, Path(name))
        http = served.measure(subject, some(_HTTP))
        _next(bar, "stream")
        time_s = some(_STREAM)
        most = max(1, int(2 * time_s / http.cpu_s))  # by HTTP, which is slower
        stream = _own_process(streamed.measure, subject, time_s, most)
        _next(bar, "batch")
        batch = _own_process(batched.measure, subject, some(_BATCH))
        _next(bar, "done")
    took = time.monotonic() - began
    return Measured(graph, version, len(records), machine(), took, http, stream, batch)


def carried(project: Project, graph: str) -> tuple[str, Records]:
    """The number of the champion, and the records that it carries."""
    project.graph_file(graph)
    if not has_champion(project, graph):
        hint = f"train one: sluice run main --graph {graph}"
        raise NotFound(f"{graph} has no champion yet: {hint}")
    models = model_store(project)
    version = resolve(models, graph, CHAMPION)
    files = models.read(graph, version).files
    try:
        rows = Replay.load(files[REPLAY_FILE]).rows
    except KeyError:
        raise VersionRefused(graph, version, REPLAY_FILE, "is not in the version") from None
    except ValueError as error:
        raise VersionRefused(graph, version, REPLAY_FILE, str(error)) from None
    if not rows:
        raise VersionRefused(graph, version, REPLAY_FILE, "has no rows to measure by")
    return version, [row.record for row in rows]


def elsewhere(project: Project, folder: Path) -> Project:
    """The same project with all that serving writes in `folder`."""
    settings = replace(
        project.settings,
        state=str(folder),
        models=project.path(project.settings.models, "models"),
        features=project.path(project.settings.features, "features"),
        events=str(folder / "events.log"),
        stream=str(folder / "stream.log"),
        database=f"sqlite:///{folder}/batch.db",
    )
    return replace(project, settings=settings)


def _own_process(function: Callable[..., T], *arguments: Any) -> T:
    """The result of a function in a fresh process, whose processor time and memory are its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        try:
            return pool.submit(function, *arguments).result()
        except BrokenProcessPool as error:
            raise SluiceError(f"{function.__module__}: its process was killed") from error


def _next(bar: Any, what: str) -> None:
    bar.update()
    bar.set_description(what)
