"""Small ranked lists for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from sluice.features.definitions import Definitions
from sluice.rules import Items, ListRule, Ranking, list_rules
from sluice.rules.make import open_rules
from sluice.schema import Field, Schema

COLUMNS = ("film", "genres", "seller", "year", "new")
TYPES = ("integer", "string", "string", "number", "boolean")
PLACES = {name: at for at, name in enumerate(COLUMNS)}
NONE = cast("Any", SimpleNamespace(calibration=None, number="1"))
Row = tuple[Any, ...]  # film, genres, seller, year, new, score


def definitions() -> Definitions:
    fields = [Field(name, kind) for name, kind in zip(COLUMNS, TYPES, strict=True)]
    return Definitions(Path("features.yaml"), Schema(fields), {})


def ranking(rows: Sequence[Row], when: float = 0.0) -> Ranking:
    values = [list(row[:-1]) for row in rows]
    scores = [float(row[-1]) for row in rows]
    ids = [row[0] for row in rows]
    return Ranking.of(Items(ids, scores, values, PLACES, version=NONE, when=when))


def plain(scores: Sequence[float], **columns: Sequence[Any]) -> Ranking:
    """Films 0, 1, … with these scores, and columns that matter."""
    n = len(scores)
    empty: dict[str, Sequence[Any]] = {
        "film": range(n),
        "genres": [None] * n,
        "seller": [None] * n,
        "year": [float("nan")] * n,
        "new": [0.0] * n,
    }
    given = {**empty, **columns}
    return ranking(list(zip(*given.values(), scores, strict=True)))


def rule(name: str, **parameters: Any) -> ListRule:
    [made] = rules([{"rule": name, **parameters}])
    return made


def rules(declared: Sequence[Mapping[str, Any]]) -> list[ListRule]:
    made = list_rules(declared, "x")
    open_rules(made, definitions(), "x")
    return made
