"""A subject's records on the topics of an embedded log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson

from sluice.environment import acquire, release
from sluice.forget.events import without
from sluice.forget.place import Place, Seen
from sluice.forget.subject import Subject
from sluice.scrub import scrub
from sluice.streams.block import EMPTY, Row
from sluice.streams.erase import pieces, topics
from sluice.streams.layout import KIND
from sluice.streams.stream import Record

# Where a record names its request, beside its key and its value.
_NAMES = ("sluice-request", "sluice-key", "x-request-id")
_EVENTS = ".events"


class LogTopics(Place):
    """The topics of one log that are wanted.

    Of topics that are `asked` the values are what clients wrote: a field `id` of a record is the
    client's own, and no request's.

    A record becomes an empty one that no consumer gets: offsets stay. Of an event with many
    records only the subject's are taken out.
    """

    def __init__(
        self,
        file: Path,
        wanted: Callable[[str], bool],
        asked: frozenset[str] = frozenset(),
    ) -> None:
        self.name, self._wanted, self._asked = f"log {file}", wanted, asked
        self._env = acquire(file, KIND, time.monotonic)

    def look(self, subject: Subject, *, delete: bool) -> Iterator[Seen]:
        judge = Judge(subject, self._asked)
        for topic in topics(self._env):
            if self._wanted(topic):
                for piece in pieces(self._env, topic, judge, write=delete):
                    yield Seen(piece.records, piece.changed)

    def clean(self, subject: Subject) -> Iterator[int]:
        yield from scrub(self._env, subject.texts)

    def close(self) -> None:
        release(self._env)


class Judge:
    """Says what becomes of a record; None: it stays."""

    def __init__(self, subject: Subject, asked: frozenset[str] = frozenset()) -> None:
        self._subject, self._asked = subject, asked

    def __call__(self, record: Record) -> Row | None:
        data = _decoded(record.value)
        if record.topic.endswith(_EVENTS) and isinstance(data, dict) and "request" in data:
            return without(self._subject, record, data)
        if self._is(record, data):
            for id in self._ids(record, data):
                self._subject.note(id, len(data) if isinstance(data, list) else 1)
            return EMPTY
        return None

    def _is(self, record: Record, data: Any) -> bool:
        subject = self._subject
        if any(id in subject.ids for id in self._ids(record, data)):
            return True
        headers = [text.encode(errors="replace") for text in record.headers.values()]
        key = (record.key or "").encode(errors="replace")
        return subject.tells(data) or subject.quoted(record.value, key, *headers)

    def _ids(self, record: Record, data: Any) -> list[str]:
        """What a record's request may be called; the key of a dead letter is its place."""
        found = [record.headers.get(name) for name in _NAMES]
        if isinstance(data, dict):
            message = data.get("message")
            if record.topic not in self._asked or "inputs" in data:  # MLRun's has an id of its own
                found.append(data.get("id"))
            found.append(message.get("id") if isinstance(message, dict) else None)
        if "sluice-source" not in record.headers:
            found.append(_made(record) if record.key is None else record.key)
        return [id for id in found if isinstance(id, str) and id]


def _made(record: Record) -> str:
    from sluice.streaming.request import made_id

    return made_id(record)


def _decoded(value: bytes) -> Any:
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return None
