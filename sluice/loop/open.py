"""The loop of a project's graph, and its controls."""

from __future__ import annotations

import fcntl
import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sluice.alerts.watch import Watch
from sluice.canary.canary import Canary
from sluice.errors import DeclarationError, SluiceError
from sluice.loop.advance import Hands
from sluice.loop.controls import Controls
from sluice.loop.declared import WHERE, Retrain
from sluice.loop.loop import Loop
from sluice.loop.run import Memory
from sluice.loop.trainer import Jobs, JobTrainer
from sluice.parameters import Parameters
from sluice.project import Project
from sluice.service import read_spec
from sluice.stores import model_store


def retrain_of(project: Project, graph: str) -> Retrain:
    """What a graph declares. Raises DeclarationError, also where it declares none."""
    spec = read_spec(project, graph)
    parameters = Parameters.parse(spec.parameters.get("sluice"), spec.file)
    if parameters.retrain is None:
        raise DeclarationError(
            spec.file, WHERE, "is missing", "retrain: {incidents: [calibration]}"
        )
    return Retrain.parse(parameters.retrain, spec.file)


@contextmanager
def opened(project: Project, graph: str, jobs: Jobs) -> Iterator[tuple[Loop, Watch]]:
    """The loop of a graph, and the watch that it asks; one at a time on a machine.

    Args:
        jobs: `jobs(name, **params)` runs a job of the project and gives its results.

    Raises SluiceError while another one is at work, NotFound where the graph's monitor never ran,
    DeclarationError, StoreUnavailable.
    """
    retrain = retrain_of(project, graph)
    with ExitStack() as stack:
        stack.enter_context(_alone(Path(project.path("", f"loop/{graph}.lock")), graph))
        watch = stack.enter_context(Watch.open(project, graph))
        canary = Canary.open(project, graph) if retrain.canary else None
        hands = Hands(watch, JobTrainer(jobs, graph), canary)
        yield Loop(graph, retrain, model_store(project), hands), watch


def controls(project: Project, graph: str) -> Controls:
    """The controls of a graph's loop. Raises DeclarationError."""
    retrain = retrain_of(project, graph)
    canary = Canary.open(project, graph) if retrain.canary else None
    return Controls(graph, retrain, model_store(project), canary)


def look(loop: Loop, watch: Watch) -> Memory:
    """One step at the latest time of what the monitor has read; before that there is none."""
    now = watch.read_until()
    return loop.step(now) if math.isfinite(now) else loop.board.look()[0]


@contextmanager
def _alone(file: Path, graph: str) -> Iterator[None]:
    """While nobody else holds the file's lock; the kernel lets go of it when its holder ends."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SluiceError(f"{graph}: another loop is at work") from None
        yield
