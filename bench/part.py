"""What a part of the bench gets, and what it gives."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from bench import work

T = TypeVar("T")
Figures = Mapping[str, float]


@dataclass(frozen=True)
class Bench:
    """How to measure.

    Attributes:
        rounds: how often each peer has its turn.
        seconds: how long a turn is.
        progress: called around the turns of a part with its name, to show how far it is.
    """

    rounds: int
    seconds: float
    progress: Callable[[str, list[Any]], Iterable[Any]] = field(default=lambda name, turns: turns)

    @cached_property
    def records(self) -> list[dict[str, Any]]:
        """The stream of records, as callers send them."""
        records: list[dict[str, Any]] = json.loads(work.RECORDS.read_bytes())
        return records

    def turns(self, name: str, each: Iterable[T]) -> Iterator[T]:
        """A B C A B C …: all of `each`, once a round."""
        yield from self.progress(name, list(each) * self.rounds)


# A part measures something and gives figures by their names, which no other part uses.
Part = Callable[[Bench], Figures]


def check_same(name: str, found: list[float], expected: list[float]) -> None:
    """Raises ValueError when a peer does not answer what the bare function answers."""
    worst = max(abs(a - b) for a, b in zip(found, expected, strict=True))
    if worst > 1e-6:
        raise ValueError(f"{name} does other work: its probabilities are off by up to {worst:.2g}")
