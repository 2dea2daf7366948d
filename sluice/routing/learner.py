"""The learner: joins feedback with decisions, and credits what they earned to the ledger, once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sluice.routing.credits import Reward, credit_all
from sluice.routing.decisions import Feedback, read_decisions
from sluice.routing.join import Join
from sluice.routing.learning import Learning
from sluice.routing.ledger import Ledger
from sluice.routing.rewards import Decision, Earned
from sluice.routing.statistics import fields
from sluice.streams import Clock

GROUP = "sluice-learn"
Classes = Callable[[str], Sequence[Any]]


class Learner(Join[Decision]):
    """Works decisions and feedback off their topics.

    Args:
        policy: what the graph's router decides by.
        ledger: where its sums are.
        classes: the classes of a version, empty for numbers.
        topics: of events and of feedback.
        clock: for marks, notes, and what is forgotten.
    """

    def __init__(
        self,
        policy: Learning,
        ledger: Ledger,
        classes: Classes,
        topics: tuple[str, str],
        clock: Clock,
    ) -> None:
        super().__init__(Decision, ledger, topics, policy.reward.within_s, clock)
        self._policy, self._classes = policy, classes

    def _read(self, value: bytes) -> Iterator[Decision]:
        """The decisions that this policy learns from."""
        return (d for d in read_decisions(value) if d.policy == self._policy.policy)

    def _first(self, now: float) -> int:
        return self._policy.forgetting.first(self._policy.forgetting.bucket(now))

    def _credit(self, whole: Sequence[tuple[Decision, Feedback]], now: float) -> None:
        rewards = [r for decision, entry in whole if (r := self._reward(decision, entry))]
        new = credit_all(self._ledger, rewards, 2 * self._keep_s, now) if rewards else 0
        self.counts["credited"] += new
        self.counts["repeated"] += len(rewards) - new

    def _reward(self, decision: Decision, entry: Feedback) -> Reward | None:
        if entry.received.timestamp() - decision.when > self._keep_s:
            self.counts["late"] += 1
            return None
        try:
            earned = Earned(entry.reward, entry.label, self._classes(decision.version))
            adds = fields(self._policy.sums(decision, earned))
        except ValueError as error:
            self._refuse(decision.place, error)
            return None
        return self._policy.forgetting.bucket(decision.when), decision.place, adds
