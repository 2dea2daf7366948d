"""sluice stream GRAPH: requests worked off a stream, predictions put on it."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from sluice.commands.show import say
from sluice.errors import NotFound, SluiceError
from sluice.project import Project
from sluice.workflow import has_champion

if TYPE_CHECKING:
    from sluice.streaming.worker import Summary, Worker


def add_to(groups: Any) -> None:
    """Declare the command."""
    text = "work a graph's requests off a stream; docs/stream.md"
    parser = groups.add_parser("stream", help=text, description=text)
    parser.add_argument("graph", help="the graph's name")
    add = parser.add_argument
    add("--stream", metavar="URL", default="", help="default: the setting stream")
    text = "where a group begins that has committed nothing yet; default: earliest"
    add("--from", dest="start", choices=("earliest", "latest"), default="earliest", help=text)
    add("--once", action="store_true", help="end when there is nothing left to do")
    add("--metrics-port", type=int, metavar="N", help="serve /metrics and health on this port")
    parser.set_defaults(command=stream)


def stream(options: argparse.Namespace) -> None:
    """Work until SIGTERM or SIGINT, with --once until the topic is drained."""
    # Here, so that other commands load none of it.
    from tqdm import tqdm

    from sluice.streaming.open import opened, settle

    project = Project.find()
    project.graph_file(options.graph)
    if not has_champion(project, options.graph):
        hint = f"train one: sluice run main --graph {options.graph}"
        raise NotFound(f"{options.graph} has no champion yet: {hint}")
    with (
        tqdm(unit=" requests", desc=options.graph, disable=None) as bar,
        opened(project, options.graph, options.stream, start=options.start, done=bar.update) as (
            worker,
            drained,
            desk,
        ),
        _pages(project, options.metrics_port, desk),
        _stopped_by_signals(worker),
    ):
        say(f"{options.graph}: works off {desk.topics.requests}")
        settle()
        summary = worker.run(drained) if options.once else worker.run()
    _tell(options.graph, summary)


def _pages(project: Project, port: int | None, desk: Any) -> Any:
    """The server of metrics and health, if one is asked for."""
    from sluice.streaming.page import PageServer, pages

    if port is None:
        return nullcontext()
    if not 0 <= port < 65_536:
        raise SluiceError(f"--metrics-port {port}: expected 0 to 65535")
    try:
        server = PageServer(project.settings.host, port, pages(desk))
    except OSError as error:
        raise SluiceError(f"--metrics-port {port}: {error.strerror}") from None
    say(f"metrics: http://{project.settings.host}:{server.port}/metrics")
    return server


@contextmanager
def _stopped_by_signals(worker: Worker) -> Iterator[None]:
    """The first signal ends the worker in order, a second one at once."""
    before: dict[int, Any] = {}

    def stop(number: int, _: object) -> None:
        worker.stop()
        signal.signal(number, before[number])

    for name in (signal.SIGTERM, signal.SIGINT):
        before[name] = signal.signal(name, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _tell(graph: str, done: Summary) -> None:
    say(
        f"answered {done.answered}, dead letters {done.dead_letters}, retries {done.retries}, "
        f"{done.seconds:.1f} s"
    )
    if done.dead_letters:
        say(f"sluice dead-letters list {graph} says why")
