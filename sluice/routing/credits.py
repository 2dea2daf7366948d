"""Rewards into a ledger, each of them once, whoever sends it how often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from sluice.routing.ledger import Credit, Ledger

Reward = tuple[int, str, Mapping[str, int]]  # bucket, the decision's place, what it adds by field


def credit_all(ledger: Ledger, rewards: Iterable[Reward], keep_s: float, now: float) -> int:
    """Credit rewards; how many were new. When it returns, all of them are counted.

    Those of one bucket go together. Where another process was first with some of them, nothing is
    written, and the rest goes again.
    """
    buckets: dict[int, dict[str, Mapping[str, int]]] = {}
    for bucket, mark, adds in rewards:
        buckets.setdefault(bucket, {}).setdefault(mark, adds)
    new = 0
    for bucket, by_mark in buckets.items():
        marks = list(by_mark)
        for first in range(0, len(marks), ledger.most):
            left = {mark: by_mark[mark] for mark in marks[first : first + ledger.most]}
            while left:
                known = ledger.credit(Credit(bucket, list(left), _sum(left)), keep_s, now)
                if not known:
                    new += len(left)
                    break
                for mark in known:
                    del left[mark]
    return new


def _sum(rewards: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for adds in rewards.values():
        total.update(adds)
    return dict(total)
