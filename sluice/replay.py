"""Training rows that a version carries with it, to be replayed through the serving path."""

from __future__ import annotations

from typing import Any

import msgspec

from sluice.models.document import read_document, write_document

FORMAT = 1
REPLAY_FILE = "replay.json"
GOLDEN_FILE = "golden.json"


class ReplayRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One training row: the record, its as-of time, and what training made of it.

    values: by column, after defaults (null for none); tensors: by name, the model's inputs;
    scores: the estimator's own answer, flat; a model file's may have texts.
    """

    record: dict[str, Any]
    as_of: float
    values: dict[str, Any]
    tensors: dict[str, list[Any]]
    scores: list[float | str]


class Replay(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The rows of one version."""

    rows: list[ReplayRow]
    format: int = FORMAT

    def dump(self) -> bytes:
        """The rows as JSON; numbers survive to the bit."""
        return write_document(self)

    @classmethod
    def load(cls, data: bytes) -> Replay:
        """The rows in `data`. Raises ValueError, with the field, for anything else."""
        return read_document(data, cls, (FORMAT,))
