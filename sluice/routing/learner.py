"""The learner: joins feedback with decisions, and credits what they earned to the ledger.

Either may come first, late, twice, or never. What has come is kept as a note in the ledger's place
before the stream is told that it was read, and each half looks for the other after it was kept: of
two learners that hold one half each, one at least finds both. What is found is credited, once.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from sluice.routing.credits import Reward, credit_all
from sluice.routing.decisions import Feedback, read_decisions, read_feedback
from sluice.routing.learning import Learning
from sluice.routing.ledger import Ledger
from sluice.routing.rewards import Decision, Earned
from sluice.routing.statistics import fields
from sluice.streams import Clock, Consumer, Record

log = logging.getLogger("sluice.learn")

GROUP = "sluice-learn"
_FORGET_S = 60.0
Classes = Callable[[str], Sequence[Any]]


class Learner:
    """Works decisions and feedback off their topics.

    Args:
        policy: what the graph's router decides by.
        ledger: where its sums are.
        classes: the classes of a version, empty for numbers.
        topics: of events and of feedback.
        clock: for marks, notes, and what is forgotten.

    Attributes:
        counts: what became of feedback: credited, repeated, late, refused; what waits for its
            decision is in none of them.
    """

    def __init__(
        self,
        policy: Learning,
        ledger: Ledger,
        classes: Classes,
        topics: tuple[str, str],
        clock: Clock,
    ) -> None:
        self._policy, self._ledger, self._classes = policy, ledger, classes
        self._events, self._feedback = topics
        self._clock = clock
        self._keep_s = policy.reward.within_s
        self._next_forgetting = float("-inf")
        self._stopped = False
        self.counts: Counter[str] = Counter()

    def stop(self) -> None:
        """End after the records in hand; a signal's handler may call it."""
        self._stopped = True

    def run(self, consumer: Consumer, *, once: bool = False) -> None:
        """Work until `stop`; with `once`, until a poll brings nothing.

        Raises StoreUnavailable when the ledger or the stream does not answer: what was not
        committed comes again.
        """
        while not self._stopped:
            records = consumer.poll(1000, 1.0)
            self.take(records)
            if records:
                consumer.commit(records)
            elif once:
                break

    def take(self, records: Iterable[Record]) -> None:
        """Keep what has come, and credit what is complete; when it returns, nothing is lost."""
        decisions: dict[str, Decision] = {}
        entries: dict[str, Feedback] = {}
        for record in records:
            try:
                if record.topic == self._events:
                    decisions |= {d.place: d for d in read_decisions(record.value) if self._is(d)}
                elif record.topic == self._feedback:
                    entry = read_feedback(record.value)
                    entries.setdefault(entry.place, entry)
            except ValueError as error:
                self._refuse(f"{record.topic} {record.partition} {record.offset}", error)
        now = self._clock.time()
        self._keep("d", {place: msgspec.json.encode(d) for place, d in decisions.items()}, now)
        self._keep("f", {place: msgspec.json.encode(e) for place, e in entries.items()}, now)
        self._credit(self._joined(decisions, entries), now)
        self._forget(now)

    def _is(self, decision: Decision) -> bool:
        """Whether a decision is one that this policy learns from."""
        return decision.policy == self._policy.policy

    def _keep(self, kind: str, notes: Mapping[str, bytes], now: float) -> None:
        if notes:
            named = {f"{kind} {place}": note for place, note in notes.items()}
            self._ledger.keep(named, 2 * self._keep_s, now)

    def _joined(
        self, decisions: Mapping[str, Decision], entries: Mapping[str, Feedback]
    ) -> list[tuple[Decision, Feedback]]:
        """Both halves of all that one half has just come of, as far as the other is known."""
        whole = [(decisions[place], entries[place]) for place in entries if place in decisions]
        for place, note in self._others("f", [p for p in decisions if p not in entries]):
            whole.append((decisions[place], msgspec.json.decode(note, type=Feedback)))
        for place, note in self._others("d", [p for p in entries if p not in decisions]):
            whole.append((msgspec.json.decode(note, type=Decision), entries[place]))
        return whole

    def _others(self, kind: str, places: Sequence[str]) -> list[tuple[str, bytes]]:
        if not places:
            return []
        notes = self._ledger.notes([f"{kind} {place}" for place in places])
        return [(p, note) for p, note in zip(places, notes, strict=True) if note is not None]

    def _credit(self, joined: Sequence[tuple[Decision, Feedback]], now: float) -> None:
        rewards = [r for decision, entry in joined if (r := self._reward(decision, entry))]
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

    def _refuse(self, what: str, error: ValueError) -> None:
        self.counts["refused"] += 1
        log.warning("feedback is not learnt from: %s: %s", what, error)

    def _forget(self, now: float) -> None:
        if now >= self._next_forgetting:
            self._next_forgetting = now + _FORGET_S
            newest = self._policy.forgetting.bucket(now)
            self._ledger.forget(self._policy.forgetting.first(newest), now)
