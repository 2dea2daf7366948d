"""sluice learn GRAPH: what decisions earned, from feedback into the policy's ledger."""

from __future__ import annotations

import argparse
import logging
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from sluice.commands.show import say
from sluice.errors import StoreUnavailable
from sluice.project import Project
from sluice.stores import event_stream

if TYPE_CHECKING:
    from sluice.routing.learner import Learner
    from sluice.routing.learning import Learning
    from sluice.streams import Clock, Consumer

    Reading = Callable[[], AbstractContextManager[Consumer]]

log = logging.getLogger("sluice.learn")
_PAUSE_S = 1.0


def add_to(groups: Any) -> None:
    """Declare the command."""
    text = "teach a graph's policy from feedback; docs/routing/learning.md"
    parser = groups.add_parser("learn", help=text, description=text)
    parser.add_argument("graph", help="the graph's name")
    text = "end when all feedback that there is has been read"
    parser.add_argument("--once", action="store_true", help=text)
    parser.set_defaults(command=learn)


def learn(options: argparse.Namespace) -> None:
    """Work until SIGTERM or SIGINT, with --once until the topics are read."""
    from sluice.routing.open import learning_policy, open_learner

    project = Project.find()
    policy = learning_policy(project, options.graph)
    learner, ledger = open_learner(project, options.graph, policy)
    before = {n: signal.signal(n, lambda *_: learner.stop()) for n in _SIGNALS}
    try:
        say(f"{options.graph}: {policy.policy} learns")
        _work(learner, partial(_reading, project, options.graph, policy), options.once)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        ledger.close()
    counts = learner.counts
    say(", ".join(f"{name} {counts[name]}" for name in ("credited", "repeated", "late", "refused")))


_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def _reading(project: Project, graph: str, policy: Learning) -> Iterator[Consumer]:
    """Who reads a graph's events and feedback, closed with the block."""
    from sluice.routing.learner import GROUP
    from sluice.routing.open import topics

    with closing(event_stream(project)) as stream:
        # A policy whose sums mean something else reads all that there is anew.
        group = f"{GROUP}-{graph}-{policy.memory}"
        with closing(stream.consumer(group, topics(project, graph))) as consumer:
            yield consumer


def _work(learner: Learner, reading: Reading, once: bool, clock: Clock = time) -> None:
    """Read until it is over; a stream or a ledger that is away is waited for."""
    while True:
        try:
            with reading() as consumer:
                learner.run(consumer, once=once)
            return
        except StoreUnavailable as error:
            if once:
                raise
            log.warning("waiting, nothing is committed: %s", error)
            clock.sleep(_PAUSE_S)
