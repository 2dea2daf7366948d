"""A graph in this process whose policy learns while a time is played again.

Its parts are those of production: events and feedback go to topics, the learner joins them and
adds to the ledger, the policy decides by snapshots of it. All of them go by the time that is
played, so what is forgotten, what is late and how old a snapshot may be are what they were.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sluice.application import Application, make_emitter
from sluice.batch.scoring import score
from sluice.errors import SluiceError
from sluice.monitoring.emitter import Emitter
from sluice.parameters import Parameters
from sluice.playback.recording import Times
from sluice.playback.server import InProcess
from sluice.project import Project
from sluice.protocol.feedback import Feedback
from sluice.routing.learner import Learner
from sluice.routing.learning import Learning
from sluice.routing.open import learner_group, learning_policy, open_learner, topics
from sluice.routing.snapshot import Snapshots
from sluice.service import Service
from sluice.stores import event_stream, reward_ledger
from sluice.streams import Consumer, Stream
from sluice.streams import Message as Event

_LEASE_S = 1.0  # after a kill, so long until what the one before was reading can be read
_TRIES, _AT_ONCE = 60, 1000


class PlayedClock:
    """The time that is played, seconds since the epoch."""

    def __init__(self, now: float) -> None:
        self.now = now

    def time(self) -> float:
        """See Clock."""
        return self.now

    def monotonic(self) -> float:
        """See Clock."""
        return self.now

    def sleep(self, seconds: float, /) -> None:
        """See Clock."""
        self.now += seconds


class PlayedSnapshots(Snapshots):
    """Renewed when the replay says so."""

    def watch(self) -> None:
        """No thread looks: it would go by another time."""


class PromptEmitter(Emitter):
    """Sends each event before it goes on: a replay has time, and loses none."""

    def put(self, rows: int, make: Callable[..., Event], *of: Any) -> None:
        """Raises StoreUnavailable where the stream does."""
        self._producer = self._producer or self._factory()
        self._producer.produce_many(self._topic, [make(*of)])

    def close(self, timeout: float = 5.0) -> None:
        """Nothing waits."""
        if self._producer is not None:
            self._producer.close()
            self._producer = None


class Taught(InProcess):
    """A service whose policy is taught.

    Args:
        service: its router's policy learns, and its events go to a topic.
        policy: that one.
        feedback: takes labels, to the other topic.
        learner: works both off.
        reading: their stream, the learner's consumer there, and the topics.
        clock: of all of them.
    """

    def __init__(
        self,
        service: Service,
        policy: Learning,
        feedback: Feedback,
        learner: Learner,
        reading: tuple[Stream, Consumer, tuple[str, str]],
        *,
        clock: PlayedClock,
    ) -> None:
        super().__init__(service)
        self._policy, self._feedback, self._learner = policy, feedback, learner
        self._stream, self._consumer, self._topics = reading
        self._clock = clock

    @property
    def policy(self) -> str:
        """The policy's name, and what its sums mean."""
        return f"{self._policy.policy} {self._policy.memory}"

    @property
    def refresh_s(self) -> float:
        """How often what is known is looked at, seconds of what is played."""
        return float(self._policy.waits["refresh_s"])

    def ask(
        self, id: str, records: Sequence[Mapping[str, Any]], asked: Times
    ) -> list[dict[str, Any]]:
        """The outputs [n]; each record is a request of its own, at its own time, in one table."""
        self._clock.now = float(asked[0])
        self._renew()
        ids = [_name(id, place) for place in range(len(records))]
        return score(self._service, list(records), ids=ids, when=asked.tolist()).outputs()

    def tell(self, entries: Sequence[Mapping[str, Any]], now: float) -> None:
        """Send feedback, and let the learner work until there is nothing left to do.

        Raises SluiceError where that does not come to an end.
        """
        self._clock.now = now
        own = [{**e, "id": _name(e["id"], e["record"]), "record": 0} for e in entries]
        self._feedback.take(own, self._service.application.live(), len(own))
        wait_s = 0.0
        for _ in range(_TRIES):
            while records := self._consumer.poll(_AT_ONCE, wait_s):
                self._learner.take(records)
                self._consumer.commit(records)
            if self._read_all():
                self._renew()
                return
            wait_s = _LEASE_S
        raise SluiceError("the learner does not get at its topics: is another replay running?")

    def _renew(self) -> None:
        if self._policy.snapshots is not None:
            self._policy.snapshots.refresh()

    def _read_all(self) -> bool:
        done = self._consumer.committed()
        ends = {(t, p): end for t in self._topics for p, (_, end) in self._stream.bounds(t).items()}
        return all(done.get(place, 0) >= end for place, end in ends.items() if end)


def _name(id: str, place: int) -> str:
    return f"{id}-{place}"


def due(known: Times, refresh_s: float, last: float) -> Times:
    """When labels are told [n]: when a snapshot is next renewed. NaN for those that would come
    after the last question.

    >>> due(np.array([7200.0, 7201.0, np.nan]), 7200.0, 1e5).tolist()
    [7200.0, 14400.0, nan]
    """
    told: Times = np.ceil(known / refresh_s) * refresh_s
    return np.where(told <= last, told, np.nan)


@contextmanager
def taught(
    project: Project, parameters: Parameters, folder: Path, begin: float
) -> Iterator[Taught]:
    """The graph, with events, feedback and ledger in a folder, where it is `begin`, seconds since
    the epoch. Raises DeclarationError."""
    folder.mkdir(parents=True, exist_ok=True)
    folder = folder.resolve()
    events, rewards = str(folder / "events.log"), str(folder / "rewards")
    settings = replace(project.settings, monitoring=False, events=events, rewards=rewards)
    project = replace(project, settings=settings)
    graph, clock = parameters.graph, PlayedClock(begin)
    policy = learning_policy(project, graph)
    with ExitStack() as stack:
        application = Application.open(project, parameters)
        application.rewards = None  # it would be read by our clocks
        application.emitter = make_emitter(
            project, parameters, application.definitions, kind=PromptEmitter
        )
        service = stack.enter_context(Service.open(project, graph, application=application))
        own = application.policy
        assert isinstance(own, Learning)  # learning_policy has looked
        open_ledger = partial(reward_ledger, project, graph, policy.memory)
        own.attach(PlayedSnapshots(open_ledger, clock=clock, **own.waits))
        learner, ledger = open_learner(project, graph, policy, clock)
        stack.callback(ledger.close)
        stream = stack.enter_context(closing(event_stream(project)))
        both = topics(project, graph)
        group = learner_group(graph, policy)
        consumer = stack.enter_context(closing(stream.consumer(group, both, lease_s=_LEASE_S)))
        feedback = Feedback.open(project, graph, clock.time)
        yield Taught(service, own, feedback, learner, (stream, consumer, both), clock=clock)
