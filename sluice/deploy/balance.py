"""Shares of traffic: whose turn it is."""

from __future__ import annotations

from collections.abc import Collection, Mapping


class Balance:
    """Chooses among releases so that each has its share, exactly, over any hundred turns.

    Smooth weighted round-robin: each turn every release gains its weight, the richest is chosen
    and pays the sum of all weights.

    >>> balance = Balance({"1": 75, "2": 25})
    >>> "".join(balance.order({"1", "2"})[0] for _ in range(8))
    '11211121'
    """

    def __init__(self, weights: Mapping[str, int]) -> None:
        self.weights = {name: weight for name, weight in weights.items() if weight > 0}
        self._credit = dict.fromkeys(self.weights, 0)

    def order(self, there: Collection[str]) -> list[str]:
        """Those of the releases that are there, whose turn it is first; counts as a turn."""
        turn = {name: weight for name, weight in self.weights.items() if name in there}
        for name, weight in turn.items():
            self._credit[name] += weight
        found = sorted(turn, key=lambda name: -self._credit[name])
        if found:
            self._credit[found[0]] -= sum(turn.values())
        return found
