"""Feedback: what became of a prediction, told later under the id of its request.

Each entry is one record on the topic <project>.<graph>.feedback, beside the monitoring events and
with the same key, the request's id, so that an event and its feedback are in partitions of one
number. It is on disk before the reply says so.
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sluice.errors import RecordError, RequestError, StoreUnavailable, Unavailable, nearest
from sluice.live import Live
from sluice.message import request_id
from sluice.project import Project
from sluice.protocol.http import dumps
from sluice.quote import found
from sluice.schema import is_unicode, seconds
from sluice.stores import event_stream
from sluice.streams import Message, Producer

log = logging.getLogger("sluice")

FORMAT = 1
TYPE = "sluice.feedback"
KEYS = ("id", "label", "reward", "record", "when")
_KINDS: dict[Any, str] = {bool: "true or false", int: "a whole number", float: "a number"}


class Feedback:
    """Takes feedback in.

    Args:
        open_producer: opens the stream; called at the first feedback, and again after a failure.
        topic: where entries go.
        source: the project and the graph, as CloudEvents have it: /project/graph.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        open_producer: Callable[[], Producer],
        topic: str,
        source: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._open, self._topic, self._source, self._clock = open_producer, topic, source, clock
        self._producer: Producer | None = None

    @classmethod
    def open(cls, project: Project, graph: str, clock: Callable[[], float] = time.time) -> Feedback:
        """That of a graph, to the stream of its monitoring events."""

        def open_producer() -> Producer:
            return event_stream(project).producer(durable=True)

        topic, source = f"{project.name}.{graph}.feedback", f"/{project.name}/{graph}"
        return cls(open_producer, topic, source, clock)

    def take(self, body: Any, live: Live, most: int) -> int:
        """Write one entry or a list of them, all or none; how many.

        Raises:
            RequestError: for a body that is no entry, nor a list of up to `most`.
            RecordError: naming the entries that are wrong.
            Unavailable: nothing was written.
        """
        given = body if isinstance(body, list) else [body]
        if not 0 < len(given) <= most:
            raise RequestError(f"expected 1 to {most} entries of feedback, found {len(given)}")
        now = self._clock()
        kinds = _label_kinds(live)
        entries, problems = [], []
        for index, entry in enumerate(given):
            try:
                entries.append(_entry(entry, now, kinds))
            except ValueError as error:
                problems.append(f"entry {index}: {error}" if body is given else str(error))
        if problems:
            raise RecordError("", "; ".join(problems))
        self._write([self._message(entry) for entry in entries])
        return len(entries)

    def _message(self, entry: dict[str, Any]) -> Message:
        headers = {
            "ce_specversion": "1.0",
            "ce_id": os.urandom(16).hex(),
            "ce_source": self._source,
            "ce_type": TYPE,
            "ce_time": entry["when"],
            "content-type": "application/json",
        }
        return Message(dumps(entry), entry["id"], headers)

    def _write(self, messages: list[Message]) -> None:
        try:
            self._producer = self._producer or self._open()
            self._producer.produce_many(self._topic, messages)
        except (StoreUnavailable, OSError) as error:
            self._producer = None
            log.error("feedback was not taken: %s", error)
            raise Unavailable("feedback can't be kept now: send it again later") from error


def _entry(entry: Any, now: float, kinds: set[type]) -> dict[str, Any]:
    """The stored value of an entry. Raises ValueError that says what is wrong."""
    if not isinstance(entry, dict):
        raise ValueError(f"expected an object, found {found(entry)}")
    for name in entry:
        if name not in KEYS:
            raise ValueError(f"no field {found(name)}: {nearest(found(name), KEYS)}")
    label, reward = entry.get("label"), entry.get("reward")
    if label is None and reward is None:
        raise ValueError("expected a label or a reward")
    stored = {"format": FORMAT, "id": _id(entry), "record": _record(entry)}
    if label is not None:
        stored["label"] = _label(label, kinds)
    if reward is not None:
        stored["reward"] = _finite("reward", reward)
    when = entry.get("when")
    stored["when"] = _text(now if when is None else _seconds(when))
    stored["received"] = _text(now)
    return stored


def _id(entry: dict[str, Any]) -> str:
    try:
        id = request_id(entry.get("id"))
    except RequestError as error:
        raise ValueError(str(error)) from None
    if id is None:
        raise ValueError("id: is missing; expected that of the request that was answered")
    return id


def _record(entry: dict[str, Any]) -> int:
    record = entry.get("record", 0)
    if type(record) is not int or not 0 <= record < 1 << 31:
        raise ValueError(
            f"record: expected its place in the request, from 0, found {found(record)}"
        )
    return record


def _seconds(when: Any) -> float:
    try:
        return seconds(when)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"when: expected {error}, found {found(when)}") from None


def _label_kinds(live: Live) -> set[type]:
    """The types of the labels that live versions answer; a number where they predict one."""
    versions = live.versions.values()
    return {type(c) for v in versions for c in v.manifest.classes or (0.0,)}


def _label(label: Any, kinds: set[type]) -> Any:
    """A label of a type that the model answers: 1 beside true would be a class of its own."""
    if type(label) in (int, float) and float in kinds:
        return _finite("label", label)
    if type(label) not in kinds or (type(label) is str and not is_unicode(label)):
        expected = " or ".join(sorted(_KINDS.get(kind, "text") for kind in kinds))
        raise ValueError(f"label: expected {expected}, found {found(label)}")
    if type(label) is int and not -(1 << 63) <= label < 1 << 63:
        raise ValueError(f"label: expected a whole number of 64 bits, found {found(label)}")
    return label


def _finite(name: str, value: Any) -> float:
    try:
        if type(value) in (int, float) and math.isfinite(number := float(value)):
            return number
    except OverflowError:
        pass
    raise ValueError(f"{name}: expected a number, found {found(value)}")


def _text(when: float) -> str:
    return datetime.fromtimestamp(when, UTC).isoformat().replace("+00:00", "Z")
