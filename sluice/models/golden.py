"""Golden requests: records with the answers that a version gave when it was made.

They are stored with the version and asked again before it goes live and where it was deployed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from sluice.models.document import read_document, write_document

FORMAT = 1


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One record as a caller sends it, its event time (seconds since 1970), and its answer."""

    record: dict[str, Any]
    event_time: float | None
    expected: Any


class Golden(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The golden requests of one version.

    >>> golden = Golden([Case({"origin": "JFK"}, None, {"probability": 0.25, "label": "on time"})])
    >>> Golden.load(golden.dump()) == golden
    True
    >>> golden.compare([{"probability": 0.5, "label": "on time"}])
    ['request 0: probability: expected 0.25, got 0.5']
    """

    cases: list[Case]
    format: int = FORMAT

    def dump(self) -> bytes:
        """The requests as JSON."""
        return write_document(self)

    @classmethod
    def load(cls, data: bytes) -> Golden:
        """The requests in `data`. Raises ValueError, with the field, for anything else."""
        return read_document(data, cls, (FORMAT,))

    def compare(self, answers: Sequence[Any], tolerance: float = 1e-6) -> list[str]:
        """What differs, a line each; empty when all is as it was.

        Numbers may differ by `tolerance` · max(1, |expected|), all else not at all.
        """
        if len(answers) != len(self.cases):
            return [f"expected {len(self.cases)} answers, got {len(answers)}"]
        pairs = enumerate(zip(self.cases, answers, strict=True))
        return [
            f"request {number}: {line}"
            for number, (case, answer) in pairs
            for line in _differences("", case.expected, answer, tolerance)
        ]


def _differences(place: str, expected: Any, got: Any, tolerance: float) -> Iterator[str]:
    if isinstance(expected, dict) and isinstance(got, dict) and expected.keys() == got.keys():
        for key in expected:
            inner = f"{place}.{key}" if place else str(key)
            yield from _differences(inner, expected[key], got[key], tolerance)
    elif isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
        for index, (old, new) in enumerate(zip(expected, got, strict=True)):
            yield from _differences(f"{place}[{index}]", old, new, tolerance)
    elif not _equal(expected, got, tolerance):
        yield f"{place or 'answer'}: expected {expected!r}, got {got!r}"


def _equal(expected: Any, got: Any, tolerance: float) -> bool:
    if _is_number(expected) and _is_number(got):
        return bool(abs(expected - got) <= tolerance * max(1.0, abs(expected)))
    return type(expected) is type(got) and bool(expected == got)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
