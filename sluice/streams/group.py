"""Consumer groups of the embedded log: who reads which partition, and up to where.

A member leases the partitions that fall to it when the living members, in the order of their
names, take turns. It renews at a third of the lease; one that is gone stops renewing, and the
others take over when its lease is out. A partition that falls to somebody else is given up at
the next poll, that is when a loop of poll, work, commit is between two rounds. All of it is
decided inside a write transaction, so no two members lease one partition.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from uuid import uuid4

from sluice.environment import Environment
from sluice.errors import StoreUnavailable
from sluice.streams.batch import Batch
from sluice.streams.block import Block
from sluice.streams.layout import (
    Lease,
    Topic,
    Txn,
    decode_lease,
    encode_lease,
    get_lease,
    get_offset,
    get_state,
    get_topic,
    group_key,
    member_key,
    name_bytes,
    put_offset,
    scan,
)
from sluice.streams.offsets import ends
from sluice.streams.stream import Clock, Partition, Record, Start

_PAUSE_S = 0.02  # between two looks of a poll that waits


class LogConsumer:
    """One member of a group; for one thread. In a forked child it is a new member."""

    def __init__(
        self,
        env: Environment,
        group: str,
        topics: Sequence[str],
        *,
        start: Start,
        lease_s: float,
        clock: Clock,
    ) -> None:
        self._env, self._clock, self._lease_s = env, clock, lease_s
        self._group = name_bytes("group", group)
        self._topics, self._start = sorted(set(topics)), start
        self.lost = 0
        self._join()

    def _join(self) -> None:
        self._pid, self._member = os.getpid(), uuid4().hex
        self._positions: dict[Partition, int] = {}
        self._rests: dict[Partition, Block] = {}
        self._passed: dict[tuple[str, int, int], int] = {}
        self._renew_at = float("-inf")
        self._turn = 0

    def _join_if_forked(self) -> None:
        if self._pid != os.getpid():
            self._join()

    def poll(self, max_records: int = 100, timeout_s: float = 1.0) -> list[Record]:
        until = self._clock.monotonic() + timeout_s
        self._join_if_forked()
        while True:
            batch = self._fetch(max_records)
            self._positions.update(batch.positions)
            self._rests = batch.rests
            self.lost += batch.lost
            if batch.passed:
                self._passed.update(batch.passed)
                self._env.write(self._pass, durable=False)
                if not batch.records:
                    continue
            left = until - self._clock.monotonic()
            if batch.records or left <= 0:
                self._turn += 1
                return batch.records
            self._clock.sleep(min(_PAUSE_S, left))

    def commit(self, done: Sequence[Record] | Mapping[Partition, int]) -> None:
        exact = isinstance(done, Mapping)
        offsets = done if isinstance(done, Mapping) else ends(done)
        taken = self._env.write(partial(self.commit_in, offsets, exact=exact), durable=False)
        if taken:
            raise StoreUnavailable(
                f"not committed: another member of the group has taken over {sorted(taken)}"
            )

    def rewind(self) -> None:
        """Deliver again what is not committed."""
        self._positions, self._renew_at = {}, float("-inf")

    def lag(self) -> dict[Partition, int]:
        """For each partition that is ours, how many of its records are not yet committed."""
        return self._env.read(self._lag)

    def committed(self) -> dict[Partition, int]:
        return self._env.read(self._committed)

    def close(self) -> None:
        if self._pid == os.getpid():
            self._env.write(self._leave, durable=False)
        self._join()

    # -- which partitions are ours -------------------------------------------------------------

    def _renew(self) -> None:
        self._positions = self._env.write(self._lease, durable=False)
        self._renew_at = self._clock.monotonic() + self._lease_s / 3

    def _partitions(self, txn: Txn) -> dict[Partition, Topic]:
        topics = [(name, get_topic(txn, name)) for name in self._topics]
        return {(n, p): topic for n, topic in topics if topic for p in range(topic.partitions)}

    def _ours(self, txn: Txn, topics: Mapping[Partition, Topic]) -> set[Partition]:
        """The partitions that fall to us and that nobody else still holds."""
        now = self._clock.time()
        members = {self._member}
        for _, data in scan(txn, member_key(self._group)):
            lease = decode_lease(data)
            if lease.live(now):
                members.add(lease.member)
        order = sorted(members)
        ours = set()
        for index, (place, topic) in enumerate(topics.items()):
            falls_to_us = order[index % len(order)] == self._member
            if falls_to_us and self._holder(txn, place, topic, now) in (None, self._member):
                ours.add(place)
        return ours

    def _holder(self, txn: Txn, place: Partition, topic: Topic, now: float) -> str | None:
        lease = get_lease(txn, group_key(b"l", self._group, topic, place[1]))
        return lease.member if lease is not None and lease.live(now) else None

    def _lease(self, txn: Txn) -> dict[Partition, int]:
        """Renew, take and give up; the positions of the partitions that are ours now."""
        now = self._clock.time()
        self._forget_dead(txn, now)
        lease = encode_lease(Lease(self._member, now, self._lease_s))
        txn.put(member_key(self._group, self._member), lease)
        topics = self._partitions(txn)
        ours = self._ours(txn, topics)
        positions = {}
        for place, topic in topics.items():
            key = group_key(b"l", self._group, topic, place[1])
            if place in ours:
                kept = self._holder(txn, place, topic, now) == self._member
                position = self._positions.get(place) if kept else None
                positions[place] = self._begin(txn, place, topic) if position is None else position
                txn.put(key, lease)
            elif self._holder(txn, place, topic, now) == self._member:
                txn.delete(key)
        return positions

    def _forget_dead(self, txn: Txn, now: float) -> None:
        for key, data in scan(txn, member_key(self._group)):
            if not decode_lease(data).live(now):
                txn.delete(key)

    def _begin(self, txn: Txn, place: Partition, topic: Topic) -> int:
        """Where the group reads on in a partition that nobody of it has read since."""
        key = group_key(b"c", self._group, topic, place[1])
        offset = get_offset(txn, key)
        if offset is not None:
            return offset
        state = get_state(txn, topic, place[1])
        if self._start == "earliest":
            return state.first
        put_offset(txn, key, state.next)  # "latest" is now, also for whoever takes over
        return state.next

    def _leave(self, txn: Txn) -> None:
        now = self._clock.time()
        txn.delete(member_key(self._group, self._member))
        for place, topic in self._partitions(txn).items():
            if self._holder(txn, place, topic, now) == self._member:
                txn.delete(group_key(b"l", self._group, topic, place[1]))

    # -- reading and committing ----------------------------------------------------------------

    def _fetch(self, max_records: int) -> Batch:
        while True:
            if self._clock.monotonic() >= self._renew_at:
                self._renew()
            batch = self._env.read(partial(self._next, max_records))
            if batch is not None:
                return batch
            self._renew_at = float("-inf")

    def _next(self, max_records: int, txn: Txn) -> Batch | None:
        """What comes next; None when other partitions fall to us than we have."""
        topics = self._partitions(txn)
        if self._ours(txn, topics) != set(self._positions):
            return None
        places = sorted(self._positions)
        turn = self._turn % len(places) if places else 0
        batch = Batch(self._positions, self._rests)
        for place in places[turn:] + places[:turn]:  # so that no partition starves
            if len(batch.records) >= max_records:
                break
            batch.fill(txn, topics[place], place, max_records)
        return batch

    def superseded(self, begins: Mapping[Partition, int], txn: Txn) -> set[Partition]:
        """The partitions that another member has, or has had and got further in than where ours
        begin."""
        self._join_if_forked()
        now, topics = self._clock.time(), self._partitions(txn)
        taken = set()
        for place, offset in begins.items():
            topic = topics.get(place)
            if topic is None:
                raise ValueError(f"no offset {offset} to commit in {place}")
            committed = get_offset(txn, group_key(b"c", self._group, topic, place[1])) or 0
            other = self._holder(txn, place, topic, now) not in (None, self._member)
            if other or offset < committed:
                taken.add(place)
        return taken

    def commit_in(
        self, offsets: Mapping[Partition, int], txn: Txn, exact: bool = False
    ) -> set[Partition]:
        """Commit what is not another member's; the rest is returned. Unless `exact`, nothing moves
        back, and what was forgotten behind an offset is done with, too."""
        now, topics = self._clock.time(), self._partitions(txn)
        taken = set()
        for place, offset in offsets.items():
            topic = topics.get(place)
            if topic is None or not 0 <= offset <= get_state(txn, topic, place[1]).next:
                raise ValueError(f"no offset {offset} to commit in {place}")
            while not exact and (*place, offset) in self._passed:
                offset = self._passed[*place, offset]  # noqa: PLW2901 (what is forgotten is done)
            key = group_key(b"c", self._group, topic, place[1])
            if self._holder(txn, place, topic, now) not in (None, self._member):
                taken.add(place)
            elif exact or offset > (get_offset(txn, key) or 0):
                put_offset(txn, key, offset)
        return taken

    def _pass(self, txn: Txn) -> None:
        """Commit what was forgotten behind what is committed: nobody will."""
        topics = self._partitions(txn)
        for (name, partition, offset), after in sorted(self._passed.items()):
            topic = topics[name, partition]
            key = group_key(b"c", self._group, topic, partition)
            if (get_offset(txn, key) or get_state(txn, topic, partition).first) == offset:
                put_offset(txn, key, after)

    def _committed(self, txn: Txn) -> dict[Partition, int]:
        found = {
            place: get_offset(txn, group_key(b"c", self._group, topic, place[1]))
            for place, topic in self._partitions(txn).items()
        }
        return {place: offset for place, offset in found.items() if offset is not None}

    def _lag(self, txn: Txn) -> dict[Partition, int]:
        topics, lag = self._partitions(txn), {}
        for place in list(self._positions):
            topic, partition = topics[place], place[1]
            state = get_state(txn, topic, partition)
            committed = get_offset(txn, group_key(b"c", self._group, topic, partition)) or 0
            lag[place] = state.next - max(committed, state.first)
        return lag
