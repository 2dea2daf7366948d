"""The base of bandits without context: shares of the traffic by what each arm has earned."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sluice.coded import Array
from sluice.live import CHAMPION, Live
from sluice.message import Choice, Message
from sluice.routing.bounds import bounded
from sluice.routing.learning import Learning
from sluice.routing.rewards import Decision, Earned
from sluice.routing.snapshot import Snapshot
from sluice.routing.statistics import COUNT, SQUARE, Floats, total, units

if TYPE_CHECKING:
    from sluice.batch.block import Block

WARM = "warm start"
MOST = 256  # arms


class Table(NamedTuple):
    """The choices by one snapshot: which one a number between 0 and 1 falls to."""

    live: Live
    snapshot: Snapshot | None
    edges: list[float]
    choices: list[Choice]


class Bandit(Learning):
    """Sends each request to one of several arms, and learns from what that arm alone reveals.

    A subclass writes `shares`: the probabilities with which it would choose each arm. They are
    computed once for a snapshot, so a decision is a draw from them: a function of the seed, the
    request's id, and the ledger's version. What is logged as its propensity is exact.

    Args:
        warm_start: until an arm has so many rewards, the traffic is shared by those that lack
            some, at random. Without it UCB1 may stay with an arm that was lucky on its first day.
        others: see Learning.
    """

    def __init__(self, arms: Any, *, warm_start: int = 50, **shared: Any) -> None:
        super().__init__(arms, **shared)
        if len(self.bounds) > MOST:
            raise ValueError(f"arms: expected {MOST} at most")
        if type(warm_start) is not int or warm_start < 0:
            raise ValueError(f"warm_start: expected a whole number, found {warm_start!r}")
        self._warm_start = warm_start
        self._table: Table | None = None

    def shares(self, sums: Floats) -> Floats:
        """The probability of each arm [k].

        Args:
            sums: per arm, how many rewards it had, their sum, and the sum of their squares [k, 3];
                rewards are on a scale from 0 to 1.
        """
        raise TypeError(f"{type(self).__name__} does not define shares")

    def sums(self, decision: Decision, earned: Earned) -> Mapping[str, Sequence[int]]:
        """See Learning."""
        reward = self.reward.earned(decision, earned)
        arm = self.arm(decision.arm, {CHAMPION: decision.version, **decision.aliases})
        return {arm: units([1.0, reward, reward * reward])}

    def choose(self, message: Message, live: Live) -> list[Choice]:
        table = self._now(live)
        choices = table.choices
        if len(choices) == 1 or table.snapshot is None:
            return [choices[0]] * len(message.rows)
        version, edges = table.snapshot.head.version, table.edges
        places = message.places()
        return [choices[bisect_right(edges, self.unit(version, place))] for place in places]

    def choose_table(self, block: Block, live: Live) -> tuple[list[Choice], Array]:
        table = self._now(live)
        if len(table.choices) == 1 or table.snapshot is None:
            return table.choices, np.zeros(len(block.places), np.int32)
        version = table.snapshot.head.version
        drawn = np.array([self.unit(version, name) for name in block.names()])
        chosen = np.searchsorted(table.edges, drawn, "right").astype(np.int32)
        return table.choices, chosen

    def _now(self, live: Live) -> Table:
        """The choices by what is known now."""
        snapshot, table = self.latest(), self._table
        if snapshot is None:
            return Table(live, None, [], [self.fallback(live)])
        if table is None or table.snapshot is not snapshot or table.live is not live:
            table = self._table = self._by(live, snapshot)
        return table

    def _by(self, live: Live, snapshot: Snapshot) -> Table:
        arms = [alias for alias in self.bounds if alias in live.aliases]
        known = total(snapshot.buckets, self.forgetting)
        nothing = np.zeros(SQUARE + 1)
        sums = np.array([known.get(self.arm(a, live.aliases), nothing) for a in arms])
        if not arms:
            reason = "none of the arms is live"
            return Table(live, snapshot, [], [self.choice(CHAMPION, live, 1.0, reason)])
        lacking = sums[:, COUNT] < self._warm_start
        wanted = lacking / lacking.sum() if lacking.any() else self.shares(sums)
        shares = dict(zip(arms, self._within(wanted, arms), strict=True))
        if (rest := 1 - sum(shares.values())) > 1e-9:  # what ceilings leave is the champion's
            shares[CHAMPION] = shares.get(CHAMPION, 0.0) + rest
        reason = WARM if lacking.any() else ""
        chosen = {alias: share for alias, share in shares.items() if share > 0}
        choices = [self.choice(alias, live, share, reason) for alias, share in chosen.items()]
        return Table(live, snapshot, np.cumsum(list(chosen.values()))[:-1].tolist(), choices)

    def traffic(self, live: Live, snapshot: Snapshot, contexts: Floats) -> dict[str, Floats]:
        """With which probability each alias would be chosen for each of n requests [n]."""
        choices = self._by(live, snapshot).choices
        return {choice.name: np.full(len(contexts), choice.propensity) for choice in choices}

    def _within(self, shares: Floats, arms: Sequence[str]) -> list[float]:
        """Shares between the arms' floors and ceilings; they may be less than 1 together."""
        floors, ceilings = (np.array([self.bounds[a][i] for a in arms]) for i in (0, 1))
        if ceilings.sum() <= 1:
            return list(map(float, ceilings))
        return list(map(float, bounded(shares, floors, ceilings)))
