"""What was read together, and is counted in one transaction."""

from __future__ import annotations

from sluice.routing.decisions import Feedback
from sluice.streams import Record
from sluice.windows import state
from sluice.windows.facts import Facts


class Batch:
    """Records, read: how far each partition was before and is then, and what was in them."""

    def __init__(self, before: dict[state.Place, tuple[int, float]]) -> None:
        self.before = before
        self.read: dict[state.Place, tuple[int, float]] = {}
        self.events = 0
        self.facts: list[Facts] = []
        self.feedback: list[Feedback] = []
        self.letters: list[tuple[Record, Exception]] = []

    def joined(self) -> list[Facts]:
        """The facts, by how many scores they have."""
        found: dict[int, list[Facts]] = {}
        for facts in self.facts:
            found.setdefault(facts.scores.shape[1], []).append(facts)
        return [Facts.joined(parts) for parts in found.values()]
