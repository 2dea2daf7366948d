"""The tables of the batch pattern: what is pending, and what was predicted; a pair per graph."""

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import JSON, Column, Double, String, Table, Text

FORMAT = 1
DONE, FAILED = "done", "failed"
_LONGEST = 48  # of a prefix: PostgreSQL cuts names at 63 characters, silently


class Tables(NamedTuple):
    """The tables of one graph.

    Attributes:
        prefix: what their names begin with.
        about: the format, and whose tables they are, by name.
        pending: records that wait. `lease` is when the claim of a job ends, seconds since the
            epoch; `attempts` counts the claims that came to nothing.
        predictions: what became of a record, `done` or `failed`; its id is in one of both tables.
    """

    prefix: str
    metadata: sa.MetaData
    about: Table
    pending: Table
    predictions: Table


def prefix_of(project: str, graph: str) -> str:
    """What the names of a graph's tables begin with.

    >>> prefix_of("sluice", "flight-delay")
    'sluice__flight_delay'
    """
    prefix = f"{project}__{graph}".replace("-", "_")
    if len(prefix) <= _LONGEST:
        return prefix
    return f"{prefix[: _LONGEST - 9]}_{sha256(prefix.encode()).hexdigest()[:8]}"


def tables(project: str, graph: str) -> Tables:
    """The tables of a graph. Only `id` and `record` of a pending record have no default."""
    prefix, metadata = prefix_of(project, graph), sa.MetaData()
    about = Table(
        f"{prefix}__about", metadata,
        Column("name", String(20), primary_key=True),
        Column("value", Text, nullable=False),
    )  # fmt: skip
    pending = Table(
        f"{prefix}__pending", metadata,
        Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        Column("id", String(200), nullable=False, unique=True),
        Column("record", JSON, nullable=False),
        Column("at", Double),
        Column("attempts", sa.Integer, nullable=False, server_default=sa.text("0")),
        Column("claim", String(32)),
        Column("lease", Double, nullable=False, server_default=sa.text("0")),
    )  # fmt: skip
    predictions = Table(
        f"{prefix}__predictions", metadata,
        Column("id", String(200), primary_key=True),
        Column("status", String(6), nullable=False),
        Column("output", JSON(none_as_null=True)),
        Column("reason", Text),
        Column("version", Text),
        Column("record", JSON(none_as_null=True)),
        Column("at", Double),
        Column("digest", String(64), nullable=False),
        Column("predicted", Double, nullable=False),
        sa.CheckConstraint(f"status IN ('{DONE}', '{FAILED}')"),
    )  # fmt: skip
    return Tables(prefix, metadata, about, pending, predictions)
