"""sluice learn GRAPH: what decisions earned, from feedback into the policy's ledger."""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from sluice.commands.pages import port_option, serving
from sluice.commands.show import say
from sluice.commands.signals import stopped_by_signals
from sluice.errors import StoreUnavailable
from sluice.project import Project
from sluice.stores import event_stream

if TYPE_CHECKING:
    from sluice.routing.join import Join
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
    port_option(parser)
    parser.set_defaults(command=learn)


def learn(options: argparse.Namespace) -> None:
    """Work until SIGTERM or SIGINT, with --once until the topics are read."""
    from sluice.routing.join_page import pages
    from sluice.routing.open import learning_policy, open_learner

    project = Project.find()
    policy = learning_policy(project, options.graph)
    learner, ledger = open_learner(project, options.graph, policy)
    with (
        closing(ledger),
        serving(project, options.metrics_port, pages(options.graph, learner)),
    ):
        say(f"{options.graph}: {policy.policy} learns")
        teach(learner, partial(_reading, project, options.graph, policy), options.once)


def teach(learner: Join[Any], reading: Reading, once: bool) -> None:
    """Let it work until SIGTERM or SIGINT, with `once` until the topics are read; say what it did.

    Args:
        learner: what works.
        reading: opens the topics.
        once: whether to end when they are read.
    """
    from sluice.routing.join import OUTCOMES

    with stopped_by_signals(learner.stop):
        _work(learner, reading, once)
    say(", ".join(f"{name} {learner.counts[name]}" for name in OUTCOMES))


@contextmanager
def _reading(project: Project, graph: str, policy: Learning) -> Iterator[Consumer]:
    from sluice.routing.open import learner_group

    with reading(project, graph, learner_group(graph, policy)) as consumer:
        yield consumer


@contextmanager
def reading(project: Project, graph: str, group: str) -> Iterator[Consumer]:
    """A group's reader of a graph's events and feedback, closed with the block."""
    from sluice.routing.open import topics

    with (
        closing(event_stream(project)) as stream,
        closing(stream.consumer(group, topics(project, graph))) as consumer,
    ):
        yield consumer


def _work(learner: Join[Any], reading: Reading, once: bool, clock: Clock = time) -> None:
    """Read until it is over; a stream or a ledger that is away is waited for."""
    while True:
        try:
            with reading() as consumer:
                learner.run(consumer, once=once)
            return
        except StoreUnavailable as error:
            if once:
                raise
            learner.waiting = str(error)
            log.warning("waiting, nothing is committed: %s", error)
            clock.sleep(_PAUSE_S)
