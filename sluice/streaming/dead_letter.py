"""A dead letter: a request that cannot be answered, as it came, with the reason.

Its value is the request's own bytes; its key is the place that the request came from, so that one
that is handed on twice after a crash is one dead letter. Headers of the request go on with it,
and beside them

    sluice-format       1
    sluice-reason       why it cannot be answered
    sluice-status       the HTTP status that POST / answers to the same body
    sluice-step         the step that failed; empty before the first one
    sluice-request      the request's id
    sluice-key          the request's key, if it had one
    sluice-source       where it was: topic/partition/offset
    sluice-attempts     how often it was tried: 1, and one more with each replay
    sluice-time         when it was given up, ISO 8601
    sluice-redacted     1 where the graph redacts fields: the value is without them then, empty
                        where it is no request, and few of the request's headers are there
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import orjson

from sluice.errors import DeclarationError, SluiceError
from sluice.fault import reason_of
from sluice.monitoring.redaction import Redaction
from sluice.streams import Message, Record

FORMAT = 1
_PREFIX = "sluice-"
ATTEMPTS, REPLAYED = "sluice-attempts", "sluice-replayed"
REDACTED = "sluice-redacted"
_HARMLESS = ("content-type", "traceparent", "tracestate", "x-request-id")


class DeadLetter(NamedTuple):
    """One dead letter, read.

    Attributes:
        id: topic/partition/offset of the request.
        headers: the request's own.
        value: its bytes.
        redacted: whether value and headers are not all of the request's.
    """

    id: str
    request: str
    reason: str
    status: int
    step: str
    attempts: int
    time: str
    key: str | None
    headers: dict[str, str]
    value: bytes
    redacted: bool = False

    @classmethod
    def parse(cls, record: Record) -> DeadLetter:
        """The dead letter in a record. Raises DeclarationError for a newer format."""
        headers = record.headers
        found = headers.get("sluice-format", "none")
        if found != str(FORMAT):
            place = f"{record.topic}/{record.partition}/{record.offset}"
            hint = f"this Sluice reads {FORMAT}: use a newer one"
            raise DeclarationError(place, "sluice-format", f"is {found}", hint)
        return cls(
            id=headers["sluice-source"],
            request=headers["sluice-request"],
            reason=headers["sluice-reason"],
            status=int(headers["sluice-status"]),
            step=headers["sluice-step"],
            attempts=int(headers[ATTEMPTS]),
            time=headers["sluice-time"],
            key=headers.get("sluice-key"),
            headers=_own(headers),
            value=record.value,
            redacted=REDACTED in headers,
        )

    @property
    def short(self) -> str:
        """The id without the topic, which all of a graph's have: partition/offset."""
        return "/".join(self.id.rsplit("/", 2)[1:])

    def of(self, request: Record) -> DeadLetter:
        """The same with the request as it came."""
        return self._replace(headers=_own(request.headers), value=request.value, redacted=False)

    def request_again(self) -> Message:
        """The request as it was, to be put back; it says that it was."""
        again = {ATTEMPTS: str(self.attempts), REPLAYED: self.id}
        # What had no key got an id; as the key it stays the request's.
        key = self.request if self.key is None else self.key
        return Message(self.value, key, {**self.headers, **again})


def dead_letter(record: Record, id: str | None, error: Exception, now: float) -> Message:
    """The dead letter of a record that failed with `error` at `now` (epoch s)."""
    source = f"{record.topic}/{record.partition}/{record.offset}"
    attempts = record.headers.get(ATTEMPTS, "0")
    headers = {
        **_own(record.headers),
        "sluice-format": str(FORMAT),
        "sluice-reason": reason_of(error),
        "sluice-status": str(status_of(error)),
        "sluice-step": getattr(error, "failed_step", ""),
        "sluice-request": id or "",
        "sluice-source": source,
        ATTEMPTS: str(int(attempts) + 1 if attempts.isdecimal() else 1),
        "sluice-time": datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds"),
    }
    if record.key is not None:
        headers["sluice-key"] = record.key
    return Message(record.value, source, headers)


def redacted(letter: Message, redaction: Redaction, names: Sequence[str]) -> Message:
    """A dead letter without what is redacted; `names` are those of records that are lists."""
    try:
        body = redaction.body(orjson.loads(letter.value), names)
        value = b"" if body is None else orjson.dumps(body)
    except (orjson.JSONDecodeError, TypeError):
        value = b""
    kept = {n: v for n, v in letter.headers.items() if n.startswith(_PREFIX) or n in _HARMLESS}
    return Message(value, letter.key, {**kept, REDACTED: "1"})


def status_of(error: Exception) -> int:
    """The HTTP status of an error; 500 for a defect."""
    return error.status if isinstance(error, SluiceError) else 500


def _own(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if not name.startswith(_PREFIX)}
