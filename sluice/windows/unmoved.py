"""What the model itself answered where a correction moved it: read from events, and kept beside
the answers that may get a label (join.py), under "b" in place of "a"."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from sluice.correction.plan import RULE
from sluice.windows.grid import Floats, Places

_NUMBER = struct.Struct("<d")
_QUOTED = f'"{RULE}"'.encode()
COLUMN = f"{RULE}.from"


class _Detail(msgspec.Struct, frozen=True, gc=False):
    correction: Any = None


_details = msgspec.json.Decoder(dict[str, _Detail]).decode


def read(
    details: Iterable[bytes],
    starts: Sequence[int],
    outputs: Mapping[str, Sequence[Any]],
    scores: Floats,
) -> Floats:
    """Of each row what was moved, NaN where nothing was [n].

    Args:
        details: of each event, by record, what of an output is no column.
        starts: of each event its first row.
        outputs: the columns; those of a table have it among them.
        scores: what was served [n, k].
    """
    found = np.full(len(scores), np.nan)
    if scores.shape[1] != 1:
        return found  # corrections are for two classes, and for numbers
    if COLUMN in outputs:
        found[:] = [_number(value) for value in outputs[COLUMN]]
    details = list(details)
    if _QUOTED not in b"".join(details):  # as in most
        starts, details = [], []
    for raw, start in zip(details, starts, strict=True):
        if _QUOTED in raw:
            for record, detail in _details(raw).items():
                if isinstance(detail.correction, dict):
                    found[start + int(record)] = _number(detail.correction.get("from"))
    found[found == scores[:, 0]] = np.nan
    return found


def _number(value: Any) -> float:
    """NaN for what is none: a project's own rule may have the name, and fields be redacted."""
    good = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if good else np.nan


def keep(txn: Any, names: Sequence[bytes], values: Floats, rows: Places) -> dict[bytes, float]:
    """Keep those of some rows, under the names of their answers; what was kept, by these."""
    known = rows[np.isfinite(values[rows])].tolist()
    found = {names[row]: float(values[row]) for row in known}
    if found:
        txn.cursor().putmulti([(_name(n), _NUMBER.pack(value)) for n, value in found.items()])
    return found


def known(txn: Any, names: Iterable[bytes]) -> dict[bytes, float]:
    """What is kept of answers, by their names."""
    cursor = txn.cursor()
    if not cursor.set_range(b"b") or not cursor.key().startswith(b"b"):
        return {}
    found = cursor.getmulti([_name(name) for name in names])
    return {b"a" + bytes(name[1:]): _NUMBER.unpack(value)[0] for name, value in found}


def _name(answer: bytes) -> bytes:
    return b"b" + answer[1:]
