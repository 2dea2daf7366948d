"""Begins a graph's runs, and goes on with them.

with opened(project, "flight-delay", jobs) as loop:
    loop.step(now)
"""

from __future__ import annotations

import msgspec

from sluice.loop.advance import Advance, Hands
from sluice.loop.causes import causes, hindrance
from sluice.loop.declared import Retrain
from sluice.loop.run import (
    CHECKING,
    FORMAT,
    PROMOTED,
    ROLLED_BACK,
    TRAINING,
    UNDER_WAY,
    Board,
    Cause,
    Memory,
    Run,
)
from sluice.models.store import ModelStore

_DAY = 86_400.0


class Loop:
    """The loop of one graph.

    Each step is kept before the next one begins, so one that was killed is taken up where it was.
    Two at once would train twice: `opened` sees to it that there is one.

    Args:
        graph: its name.
        retrain: as declared.
        models: where versions, aliases and the loop's memory are.
        hands: what it works with.
    """

    def __init__(self, graph: str, retrain: Retrain, models: ModelStore, hands: Hands) -> None:
        self._graph, self.retrain, self._models = graph, retrain, models
        self._watch = hands.watch
        self._advance = Advance(graph, retrain, models, hands)
        self.board = Board(models, graph)

    def step(self, now: float) -> Memory:
        """Do all that can be done at a moment (events' time, epoch s); what is remembered then.

        Raises StoreUnavailable: the next step goes on from there; DeclarationError.
        """
        while True:
            memory, token = self.board.look()
            after = None if memory.stopped else self._next(memory, now)
            if after is None:
                return memory
            if memory.run and after.run and memory.run.number != after.run.number:
                self.board.keep(memory.run)
            self.board.put(after, token)  # where somebody was faster, look again

    def _next(self, memory: Memory, now: float) -> Memory | None:
        """What is to be remembered next; None where there is nothing to do."""
        run = memory.run
        if run is not None and run.state in UNDER_WAY:
            return self._go_on(memory, run, now)
        if run is not None and run.state == PROMOTED and (back := self._rolled_back(run, now)):
            return msgspec.structs.replace(memory, run=back, quiet=now)
        if memory.first is None:
            return msgspec.structs.replace(memory, first=now)
        return None if hindrance(self.retrain, memory, now) else self._begin(memory, now)

    def _go_on(self, memory: Memory, run: Run, now: float) -> Memory | None:
        after = self._advance(run, now)
        if after is None:
            return None
        # What has brought nothing better is tried again after the cool-down: then more is known.
        better = run.state == TRAINING and after.state == CHECKING
        ids = [cause.id for cause in run.causes if cause.id] if better else []
        return msgspec.structs.replace(memory, run=after, handled=[*memory.handled, *ids])

    def _begin(self, memory: Memory, now: float) -> Memory | None:
        """A new run, if there is a cause."""
        aliases = self._models.aliases(self._graph)
        against = {n: aliases[n].version for n in self.retrain.aliases if n in aliases}
        incidents, versions = self._watch.look(now), list(against.values())
        found = causes(self.retrain, memory, incidents, versions, now)
        if not found:
            return None
        run = self._new(memory, found, against, now)
        return msgspec.structs.replace(
            memory, run=run, quiet=now, started=[*memory.started, now]
        )  # fmt: skip

    def _new(self, memory: Memory, why: list[Cause], against: dict[str, str], now: float) -> Run:
        window = self.retrain.window
        run = Run(
            format=FORMAT,
            number=memory.run.number + 1 if memory.run else 1,
            state=TRAINING,
            began=now,
            causes=why,
            window=window.arguments(now),
            since=window.until(now) - self.retrain.compare.days * _DAY,
            against=against,
            versions={},
            made={},
            steps=[],
        )
        return run.then(now, "begin", TRAINING, "; ".join(cause.why for cause in why))

    def _rolled_back(self, run: Run, now: float) -> Run | None:
        """The run, if somebody has taken back what it promoted."""
        found = self._models.aliases(self._graph)
        now_at = {name: alias.version for name, alias in found.items()}
        if run.made.items() <= now_at.items():
            return None
        for move in reversed(self._models.history(self._graph)):
            if move.action == "rollback" and run.made.get(move.alias) == move.previous:
                why = f"{move.alias} went back to version {move.version}"
                told = {"evidence": move.evidence, "by": move.by}
                return run.then(now, "roll back", ROLLED_BACK, why, **told)
        return None
