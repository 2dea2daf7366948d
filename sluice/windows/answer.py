"""An answer as it is kept until it gets a label (join.py): when (µs since the epoch), its code,
whether it has a label, the label, scores."""

from __future__ import annotations

import struct
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sluice.windows.facts import Facts

_HEAD = struct.Struct("<q8sBd")
_LABEL = struct.Struct("<Bd")


class Answer(NamedTuple):
    """An answer; one that has no number has no scores."""

    when: int
    code: bytes
    labelled: int
    label: float
    scores: tuple[float, ...]


def packed(facts: Facts, codes: npt.NDArray[np.uint64]) -> list[bytes]:
    """The answer in each row, as it is kept."""
    kind = [("when", "<i8"), ("code", "<u8"), ("labelled", "u1"), ("label", "<f8"),
            ("scores", "<f8", (facts.scores.shape[1],))]  # fmt: skip
    rows = np.zeros(len(facts), np.dtype(kind))
    rows["when"] = np.rint(facts.when * 1e6)
    rows["code"] = codes
    rows["scores"] = facts.scores
    data, size = rows.tobytes(), rows.itemsize
    values = [data[begin : begin + size] for begin in range(0, len(data), size)]
    for row in np.flatnonzero(np.isnan(facts.scores).any(axis=1)).tolist():
        values[row] = values[row][: _HEAD.size]
    return values


def unpacked(value: bytes) -> Answer:
    """An answer that was kept."""
    scores = _scores((len(value) - _HEAD.size) // 8).unpack_from(value, _HEAD.size)
    when, code, labelled, label = _HEAD.unpack_from(value)
    return Answer(when, code, labelled, label, scores)


def with_label(value: bytes, label: float) -> bytes:
    """An answer that was kept, with another label."""
    return value[: _HEAD.size - _LABEL.size] + _LABEL.pack(1, label) + value[_HEAD.size :]


@cache
def _scores(count: int) -> struct.Struct:
    return struct.Struct(f"<{count}d")
