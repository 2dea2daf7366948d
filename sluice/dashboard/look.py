"""What somebody wants to see, by the query of the address: ?version=3&segment=origin=EWR."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import urlencode

from sluice.errors import RequestError

_LONGEST = 300


class Look(NamedTuple):
    """What is asked for.

    Attributes:
        version: whose windows; empty: all of them.
        segment: such as "origin=EWR"; empty: all records.
        until: the end of what is shown, epoch s; None: the latest event.
        every: seconds after which the browser asks again; 0: it does not.
    """

    version: str = ""
    segment: str = ""
    until: float | None = None
    every: int = 0

    @classmethod
    def read(cls, query: Mapping[str, str]) -> Look:
        """The look in a query; what it does not know is left. Raises RequestError."""
        version, segment = query.get("version", ""), query.get("segment", "")
        if len(version) + len(segment) > _LONGEST:
            raise RequestError(f"version, segment: longer than {_LONGEST} characters")
        return cls(version, segment, _moment(query.get("until", "")), _every(query.get("every")))

    def address(self, **changes: object) -> str:
        """The query of a look like this one, with something else in it."""
        look = self._replace(**changes)  # type: ignore[arg-type]
        until = "" if look.until is None else iso(look.until)
        given = {**look._asdict(), "until": until, "every": look.every or ""}
        return "?" + urlencode({name: value for name, value in given.items() if value})


def iso(moment: float) -> str:
    """A moment (epoch s) as text: UTC, to the second."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _moment(text: str) -> float | None:
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise RequestError("until: expected a time such as 2013-12-31T12:00Z") from None


def _every(text: str | None) -> int:
    if not text:
        return 0
    if not (text.isdecimal() and 5 <= int(text) <= 3600):
        raise RequestError("every: expected 5 to 3600 seconds")
    return int(text)
