"""Policies that know something: a ledger in memory, a clock that stands still, live versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, TypeVar, cast

from sluice.errors import StoreUnavailable
from sluice.live import Live
from sluice.message import Message
from sluice.routing.learning import Learning
from sluice.routing.ledger import Credit, Head
from sluice.routing.policy import make_policy
from sluice.routing.rewards import Decision, Earned
from sluice.routing.snapshot import Snapshots
from sluice.routing.statistics import fields

P = TypeVar("P", bound=Learning)
NOW = 1_700_000_000.0


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float, /) -> None:
        self.now += seconds


class Memory:
    """A ledger that is a dictionary; `away` makes it one that does not answer."""

    most = 1000

    def __init__(self) -> None:
        self.away = False
        self.began: float | None = None
        self._head = Head(0, 0.0)
        self._sums: dict[int, dict[str, int]] = {}
        self._marks: set[tuple[int, str]] = set()
        self._notes: dict[str, bytes] = {}

    def head(self, now: float) -> Head:
        self._there()
        self.began = self.began or now
        return Head(self._head.version, max(self._head.last, self.began))

    def sums(self) -> dict[int, dict[str, int]]:
        self._there()
        return {bucket: dict(sums) for bucket, sums in self._sums.items()}

    def credit(self, credit: Credit, keep_s: float, now: float) -> Sequence[str]:
        self._there()
        known = [mark for mark in credit.marks if (credit.bucket, mark) in self._marks]
        if not known:
            self._marks |= {(credit.bucket, mark) for mark in credit.marks}
            there = self._sums.setdefault(credit.bucket, {})
            for field, amount in credit.sums.items():
                there[field] = there.get(field, 0) + amount
            self._head = Head(self._head.version + 1, now)
        return known

    def keep(self, notes: Mapping[str, bytes], keep_s: float, now: float) -> None:
        self._there()
        self._notes |= notes

    def notes(self, names: Sequence[str]) -> list[bytes | None]:
        self._there()
        return [self._notes.get(name) for name in names]

    def forget(self, before: int, now: float) -> None:
        self._sums = {b: sums for b, sums in self._sums.items() if b >= before}

    def close(self) -> None:
        """There is nothing to let go of."""

    def _there(self) -> None:
        if self.away:
            raise StoreUnavailable("memory: is away")


class World:
    """A policy with a ledger, and live versions by their aliases."""

    def __init__(self, name: str, params: Mapping[str, Any], **aliases: str) -> None:
        self.clock, self.ledger = Clock(), Memory()
        made = make_policy(name, params, "router.class_args")
        assert isinstance(made, Learning)
        self.policy = made
        self.live = live_of(**(aliases or {"champion": "1", "challenger": "2"}))
        self.snapshots = Snapshots(
            lambda: self.ledger, refresh_s=3600, max_age_s=60, clock=self.clock
        )
        made.attach(self.snapshots)
        self._count = 0

    def earn(self, alias: str, *rewards: float, when: float = NOW, **more: Any) -> None:
        """Rewards of an arm, as the learner credits them."""
        for reward in rewards:
            self._count += 1
            decision = self.decision(f"r{self._count}/0", alias, when, **more)
            adds = fields(self.policy.sums(decision, Earned(reward, None, ())))
            bucket = self.policy.forgetting.bucket(when)
            assert not self.ledger.credit(
                Credit(bucket, [decision.place], adds), 60, self.clock.now
            )

    def decision(self, place: str, alias: str, when: float = NOW, **more: Any) -> Decision:
        number = self.live.aliases[alias]
        told = {"aliases": {alias: number}, "scores": {}, "propensity": 1.0, **more}
        return Decision(place, when, self.policy.policy, alias, number, **told)

    def shares(self, rows: int = 1) -> dict[str, float]:
        """By arm, the propensity with which it is chosen, of those that are chosen."""
        self.snapshots.refresh()
        choices = self.policy.choose(message_of(rows), self.live)
        return {choice.name: choice.propensity for choice in choices}


def live_of(**aliases: str) -> Live:
    """Live versions that nobody asks for an answer."""
    return cast(Live, SimpleNamespace(aliases=aliases, refused={}))


def message_of(rows: int, columns: Sequence[str] = (), values: Any = None) -> Message:
    message = Message([{} for _ in range(rows)], "request")
    message.rows = list(range(rows))
    message.columns = columns
    message.values = values if values is not None else [[] for _ in range(rows)]
    return message
