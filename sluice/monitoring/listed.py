"""Records by column, as the observation of a table has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Listed:
    """Records or outputs by column: what an observation of a table holds.

    `errors` are those of outputs, by place. Of records that are requests of their own, `ids` are
    those of the requests, `when` their times, in seconds since the epoch, where they differ, and
    `traces` their trace contexts, where there are any.
    """

    names: Sequence[str]
    columns: Sequence[Sequence[Any]]
    errors: Mapping[int, str] = field(default_factory=dict)
    ids: Sequence[str] = ()
    when: Sequence[float] = ()
    traces: Sequence[Mapping[str, str]] = ()

    def __len__(self) -> int:
        return len(self.columns[0]) if self.columns else 0

    def __getitem__(self, which: Any) -> list[dict[str, Any]]:
        """Some rows, as mappings."""
        rows = zip(*(column[which] for column in self.columns), strict=True)
        return [dict(zip(self.names, row, strict=True)) for row in rows]

    def requests(self) -> dict[str, Sequence[Any]]:
        """What of `ids`, `when` and `traces` there is, by name."""
        names = ("ids", "when", "traces")
        return {name: found for name in names if (found := getattr(self, name))}
