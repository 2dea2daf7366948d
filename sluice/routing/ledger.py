"""The ledger: what is known of the arms of a policy, shared by all workers and replicas.

It keeps sums, whole numbers that only grow or shrink by what a reward adds, so that the order in
which rewards come makes no difference, to the last bit. They lie in buckets of the decisions'
time, by which a policy forgets. Each reward has a mark of its own in its bucket: it counts once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from sluice.address import load
from sluice.errors import DeclarationError

FORMAT = 1
Prefix = tuple[str, str, str]  # project, graph, and what the sums mean (Learning.memory)


class Head(NamedTuple):
    """How far a ledger is.

    Attributes:
        version: grows with each credit.
        last: when the last credit was made, or else when the ledger was first looked at; seconds
            since the epoch.
    """

    version: int
    last: float


class Credit(NamedTuple):
    """Rewards of one bucket.

    Attributes:
        bucket: its number.
        marks: of each reward the decision's place, "request/record".
        sums: what all of them together add, by field.
    """

    bucket: int
    marks: Sequence[str]
    sums: Mapping[str, int]


class Ledger(Protocol):
    """A place for sums, marks and notes. Every one passes tests/routing/test_ledgers.py.

    All of it is of one prefix. Methods raise StoreUnavailable when the place does not answer.
    `now` is seconds since the epoch.
    """

    most: int
    """How many marks a credit may have."""

    def head(self, now: float) -> Head:
        """How far it is; the first look is remembered."""

    def sums(self) -> dict[int, dict[str, int]]:
        """By bucket and field."""

    def credit(self, credit: Credit, keep_s: float, now: float) -> Sequence[str]:
        """Add the sums and set the marks, all or nothing.

        Args:
            credit: of up to `most` marks, none twice.
            keep_s: how long the marks of this bucket are kept, from now.

        Returns:
            The marks that were there already; where there are any, nothing was done.
        """

    def keep(self, notes: Mapping[str, bytes], keep_s: float, now: float) -> None:
        """Keep notes for a while; a note of the same name is replaced."""

    def notes(self, names: Sequence[str]) -> list[bytes | None]:
        """The notes of these names; one that is too old is none."""

    def forget(self, before: int, now: float) -> None:
        """Let go of what is too old, and of the sums of buckets before `before`."""

    def close(self) -> None:
        """Let go of the place."""


def open_ledger(url: str, prefix: Prefix) -> Ledger:
    """The ledger at a URL or in a folder. Raises DeclarationError, StoreUnavailable.

    A path is an embedded one, for the processes of one machine; `redis://…` and
    `dynamodb://region/table` are for replicas.
    """
    scheme, separator, path = url.partition("://")
    if not separator or scheme == "file":
        from sluice.routing.ledger_lmdb import LmdbLedger

        return LmdbLedger(Path(path if separator else url), prefix)
    if scheme in ("redis", "rediss"):
        load("rewards", scheme, "sluice.routing.ledger_redis", "redis")
        from sluice.routing.ledger_redis import RedisLedger

        return RedisLedger(url, prefix)
    if scheme == "dynamodb":
        load("rewards", scheme, "sluice.routing.ledger_dynamodb", "boto3")
        from sluice.routing.ledger_dynamodb import DynamoLedger

        return DynamoLedger(url, prefix)
    hint = "supported: a folder, redis://host:port/number, dynamodb://region/table"
    raise DeclarationError("rewards", scheme, f"no ledger {scheme!r}", hint)
