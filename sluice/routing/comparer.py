"""The comparer: asks shadows what others have answered, and sends an event per row.

It takes from a ring what was put there meanwhile, asks each shadow once for all of it, and puts the
events on the topic in one go. docs/routing/shadow.md has their fields.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import orjson

from sluice.errors import NotFound, StoreUnavailable, VersionRefused
from sluice.models.model import Model, load_model
from sluice.project import Project
from sluice.routing.offered import Offered, decode, unpack
from sluice.routing.ring import Ring
from sluice.stores import event_stream, model_store
from sluice.streaming.backoff import Backoff
from sluice.streams import Clock, Message, Producer

log = logging.getLogger("sluice.shadow")

Array = npt.NDArray[Any]
FORMAT = 1
_LOOK_S, _LINGER = 0.05, 5  # so many looks: many rows in one call cost little more than one
_ROWS = 1000  # about so many in one call
_KEPT = 8  # models


class Compared(NamedTuple):
    """A row that was answered, and by shadow its score [k], or why it has none."""

    place: str
    when: float
    version: str
    score: Sequence[float]
    shadows: Mapping[str, Sequence[float] | str]


def event(row: Compared) -> Message:
    """The event of a row; its key is the request's id."""
    id, _, record = row.place.rpartition("/")
    said = row.shadows.items()
    value = {
        "format": FORMAT,
        "id": id,
        "record": int(record),
        "when": row.when,
        "version": row.version,
        "score": row.score,
        "shadows": {number: s for number, s in said if not isinstance(s, str)},
        "errors": {number: why for number, why in said if isinstance(why, str)},
        "sampling_percentage": 100.0,
    }
    return Message(orjson.dumps(value), id, {"content-type": "application/json"})


class Comparer:
    """Compares what comes through a ring.

    Args:
        ring: where it comes from.
        models: a version's model by its number; raises what the store does.
        producer: opens the stream that events go to.
        topic: where they go.
        clock: for waiting.
    """

    def __init__(
        self,
        ring: Ring,
        models: Callable[[str], Model],
        producer: Callable[[], Producer],
        topic: str,
        clock: Clock = time,
    ) -> None:
        self._ring, self._models, self._clock = ring, models, clock
        self._open, self._topic = producer, topic
        self._producer: Producer | None = None
        self._told: set[str] = set()

    def run(self, orphaned: Callable[[], bool] = lambda: False) -> None:
        """Compare until the ring is closed and empty, or nobody is left who puts."""
        self._ring.begin()
        while not orphaned():
            closed = self._ring.closed  # before the look: what was put until then is seen
            frames = self._ring.take(_ROWS)
            if frames:
                self._work(frames)
            elif closed:
                break
            self._linger()
        if self._producer is not None:
            self._producer.close()

    def _linger(self) -> None:
        for _ in range(_LINGER):
            if self._ring.closed or self._ring.waiting >= _ROWS:
                return
            self._clock.sleep(_LOOK_S)

    def _work(self, frames: Sequence[bytes]) -> None:
        groups: dict[tuple[tuple[str, str], ...], list[Offered]] = {}
        for offered in chain.from_iterable(map(decode, frames)):
            groups.setdefault(offered.shadows, []).append(offered)
        for group in groups.values():
            rows = sum(offered.answered for offered in group)
            try:
                done = self._deliver([event(row) for row in self._compare(group)])
            except Exception:  # a defect here costs comparisons, and nothing else
                log.exception("rows were not compared with their shadows")
                done = False
            self._ring.count(rows if done else 0, 0 if done else rows)

    def _compare(self, group: Sequence[Offered]) -> Iterator[Compared]:
        said = {number: self._scores(number, digest, group) for number, digest in group[0].shadows}
        row = 0
        for offered in group:
            for each in zip(
                offered.places, offered.times, offered.versions, offered.scores, strict=True
            ):
                if each[2]:
                    own = {number: scores[row] for number, scores in said.items()}
                    yield Compared(*each, own)
                row += 1

    def _scores(self, number: str, digest: str, group: Sequence[Offered]) -> list[Any]:
        """What a shadow says of each row: scores [k], or why it says nothing.

        Where it raises it is asked again by halves: one request is no fault of another.
        """
        try:
            scores: Array = self._models(number).predict(_joined(digest, group))
            return list(scores.tolist())
        except (VersionRefused, NotFound) as error:
            told = why = f"raised {type(error).__name__}"
            told += f": {error}"
        except Exception as error:  # whatever it is, it is the shadow's
            if len(group) > 1:
                half = len(group) // 2
                first = self._scores(number, digest, group[:half])
                return first + self._scores(number, digest, group[half:])
            told = why = f"raised {type(error).__name__}"  # its text may quote what is redacted
        self._tell(f"shadow {number} {told}")
        return [why] * sum(len(offered.versions) for offered in group)

    def _deliver(self, events: Sequence[Message]) -> bool:
        """Send; whether they were taken. While the stream is away the ring fills up."""
        backoff = Backoff()
        while True:
            try:
                self._producer = self._producer or self._open()
                self._producer.produce_many(self._topic, events)
            except (StoreUnavailable, OSError) as error:
                self._tell(f"comparisons wait for their stream: {type(error).__name__}: {error}")
                if self._ring.closed:
                    return False
                self._clock.sleep(backoff.next())
            else:
                return True

    def _tell(self, text: str) -> None:
        """Say it once."""
        if text not in self._told and len(self._told) < 100:
            self._told.add(text)
            log.warning("%s", text)


def _joined(digest: str, group: Sequence[Offered]) -> dict[str, Array]:
    """The tensors of all rows."""
    parts = [offered.tensors[digest] for offered in group]
    return {name: np.concatenate([unpack(p[name]) for p in parts]) for name in parts[0]}


class Models:
    """The models of a graph's versions, each loaded when it is first asked for; the last few.

    What the store refuses stays refused: no version ever changes.
    """

    def __init__(self, load: Callable[[str], Model]) -> None:
        self._load = load
        self._kept: dict[str, Model | Exception] = {}

    def __call__(self, number: str) -> Model:
        if number not in self._kept:
            self._kept[number] = self._found(number)
            if len(self._kept) > _KEPT:
                del self._kept[next(iter(self._kept))]
        found = self._kept[number]
        if isinstance(found, Exception):
            raise found.with_traceback(None)
        return found

    def _found(self, number: str) -> Model | Exception:
        try:
            return self._load(number)
        except (VersionRefused, NotFound) as error:
            return error


class Home(NamedTuple):
    """Where a graph's versions and its comparisons are.

    Attributes:
        project: its settings name the stores.
        graph: its name.
        servers: declares the model servers whose code a version may run (models/servers.py).
    """

    project: Project
    graph: str
    servers: Path | None = None


def open_comparer(home: Home, ring: Ring) -> Comparer:
    """The comparer of a graph. Raises DeclarationError."""
    project, graph, servers = home
    store = model_store(project)

    def load(number: str) -> Model:
        stored = store.read(graph, number)
        return load_model(stored.manifest, stored.files, servers)

    def producer() -> Producer:
        return event_stream(project).producer(durable=False)

    return Comparer(ring, Models(load), producer, f"{project.name}.{graph}.shadow")
