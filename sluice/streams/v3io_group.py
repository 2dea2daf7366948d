"""Consumer groups on V3IO: who reads which shard, and up to where, as the embedded log's do it.

A member leases the shards that fall to it when the living members, in the order of their names,
take turns; it renews at a third of the lease. Leases compare the clocks of the members' hosts:
where those differ by more than a lease lasts, two members may read one shard for a while, yet
only one of them can commit (see `v3io_leases`). An offset is a sequence number less one, so the
offset to read next is the sequence number of the last record that is done with.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple
from uuid import uuid4

from sluice.errors import StoreUnavailable
from sluice.streams.offsets import ends, starts
from sluice.streams.stream import Clock, Partition, Record, Start
from sluice.streams.v3io_leases import Held, Leases, State
from sluice.streams.v3io_record import decode_record
from sluice.streams.v3io_service import Service

_CHANGES = 8  # by others, that a commit bears
_PAUSE_S = 0.1  # between two looks of a poll that waits; each is a request per shard


class Cursor(NamedTuple):
    """The offset that is read next, and the service's location of it where that is known."""

    position: int
    location: str | None = None


class V3ioConsumer:
    """One member of a group; for one thread. In a forked child it is a new member."""

    def __init__(
        self,
        service: Service,
        group: str,
        topics: Sequence[str],
        *,
        start: Start,
        lease_s: float,
        clock: Clock,
    ) -> None:
        self._service, self._clock, self._lease_s = service, clock, lease_s
        self._leases = Leases(service, group)
        self._topics, self._start = sorted(set(topics)), start
        self._shards: dict[str, int] = {}
        self.lost = 0
        self._join()

    def _join(self) -> None:
        self._pid, self._member = os.getpid(), uuid4().hex
        self.takeovers = 0  # how often shards became ours
        self._turn = 0
        self.rewind()

    def rewind(self) -> None:
        """Deliver again what is not committed."""
        self._cursors: dict[Partition, Cursor] = {}
        self._held: dict[Partition, Held] = {}
        self._renew_at = float("-inf")

    def poll(self, max_records: int = 100, timeout_s: float = 1.0) -> list[Record]:
        until = self._clock.monotonic() + timeout_s
        self._join_if_forked()
        while True:
            self._rebalance()
            records = self._next(max_records)
            left = until - self._clock.monotonic()
            if records or left <= 0:
                self._turn += 1
                return records
            self._clock.sleep(min(_PAUSE_S, left))

    def commit(self, done: Sequence[Record] | Mapping[Partition, int]) -> None:
        self._join_if_forked()
        if isinstance(done, Mapping):
            self._check(done)
            offsets, exact = done, True
        else:
            offsets, exact = ends(done), False
        ours = [self._commit(place, offset, exact) for place, offset in offsets.items()]
        _refuse("committed", [place for place, kept in zip(offsets, ours, strict=True) if not kept])

    def committed(self) -> dict[Partition, int]:
        shards = self._leases.state(self._clock.time()).shards
        return {
            place: held.offset
            for place, held in shards.items()
            if held.offset >= 0 and place[0] in self._topics
        }

    def lag(self) -> dict[Partition, int]:
        """For each partition that is ours, how many of its records are not yet committed."""
        lag = {}
        for place in self._cursors:
            first, end = self._service.bounds(*place)
            lag[place] = max(0, end - max(self._held[place].offset, first))
        return lag

    def keep(self, records: Sequence[Record]) -> None:
        """Have the leases of these records, before anything is done that commits them.

        Raises StoreUnavailable for partitions that another member has, or has had and got
        further in.
        """
        self._join_if_forked()
        begins = starts(records)
        _refuse("forwarded", [place for place in begins if not self._keep(place, begins[place])])

    def close(self) -> None:
        if self._pid == os.getpid():
            with suppress(StoreUnavailable):  # then the leases run out by themselves
                for place in list(self._cursors):
                    self._give_up(place, self._held[place])
                self._leases.leave(self._member)
        self._join()

    def _join_if_forked(self) -> None:
        if self._pid != os.getpid():
            self._join()

    # -- which shards are ours -----------------------------------------------------------------

    def _rebalance(self) -> None:
        now = self._clock.time()
        due = self._clock.monotonic() >= self._renew_at
        if due:
            self._leases.join(self._member, now, self._lease_s)
        self._count_shards(due)
        state = self._leases.state(now)
        ours = self._ours(state, now)
        if due:
            for member in state.dead - {self._member}:
                self._leases.leave(member)
        elif ours == set(self._cursors):
            return
        for place, held in state.shards.items():
            if place not in ours and held.holder(now) == self._member:
                self._give_up(place, held)
        self._cursors = {
            place: cursor for place in sorted(ours) if (cursor := self._take(place, state, now))
        }
        self._renew_at = self._clock.monotonic() + self._lease_s / 3 if due else self._renew_at

    def _count_shards(self, due: bool) -> None:
        """Shards can only become more; so can topics."""
        for topic in self._topics:
            if due or not self._shards.get(topic):
                self._shards[topic] = self._service.shards(topic)

    def _places(self) -> list[Partition]:
        return [(topic, shard) for topic in self._topics for shard in range(self._shards[topic])]

    def _ours(self, state: State, now: float) -> set[Partition]:
        """The shards that fall to us and that nobody else still holds."""
        order = sorted(state.members | {self._member})
        places = [p for n, p in enumerate(self._places()) if order[n % len(order)] == self._member]
        holders = {place: state.shards.get(place, Held()).holder(now) for place in places}
        return {place for place in places if holders[place] in (None, self._member)}

    def _take(self, place: Partition, state: State, now: float) -> Cursor | None:
        """Lease a shard, or renew; None when somebody was faster."""
        old = state.shards.get(place, Held())
        kept = self._cursors.get(place) if old.holder(now) == self._member else None
        offset = old.offset
        if kept is None and offset < 0 and self._start == "latest":
            offset = self._service.last(*place)  # "latest" is now, also for whoever takes over
        held = self._leases.change(place, old, Held(0, self._member, now, self._lease_s, offset))
        if held is None:
            return None
        self._held[place] = held
        if kept is not None:
            return kept
        self.takeovers += 1
        return Cursor(self._service.bounds(*place)[0] if offset < 0 else offset)

    def _give_up(self, place: Partition, held: Held) -> None:
        self._leases.change(place, held, held._replace(ttl=0.0))

    # -- reading -------------------------------------------------------------------------------

    def _next(self, max_records: int) -> list[Record]:
        """Up to so many records; the cursors move only when all shards have answered."""
        places = sorted(self._cursors)
        turn = self._turn % len(places) if places else 0
        records: list[Record] = []
        moved: dict[Partition, Cursor] = {}
        lost = 0
        for place in places[turn:] + places[:turn]:  # so that no shard starves
            room = max_records - len(records)
            if room <= 0:
                break
            old = self._cursors[place]
            found, moved[place] = self._read(place, old, room)
            lost += found[0].offset - old.position if found else 0
            records += found
        self._cursors.update(moved)
        self.lost += lost
        return records

    def _read(self, place: Partition, cursor: Cursor, room: int) -> tuple[list[Record], Cursor]:
        location = cursor.location or self._seek(place, cursor.position)
        output = self._service.read(*place, location, room) if location else None
        if output is None:  # it is gone, or was never there: looked up again by the next poll
            return [], Cursor(cursor.position)
        found = [decode_record(place, one) for one in output.records]
        records = [record for record in found if record.offset >= cursor.position]
        position = records[-1].offset + 1 if records else cursor.position
        return records, Cursor(position, output.next_location)

    def _seek(self, place: Partition, position: int) -> str | None:
        """A location at or before a position: its own, its predecessor's, or the oldest one.

        Its own may not be there yet; the predecessor's is not there when retention took it.
        """
        end = self._service.last(*place)
        if 0 < end < position:
            raise StoreUnavailable(
                f"{place[0]} partition {place[1]} ends at {end}, and its group has read up to "
                f"{position}: it was made anew; commit 0 there, or take another group"
            )
        for sequence in range(position + 1, max(position - 1, 0), -1) if end else ():
            location = self._service.seek(*place, "SEQUENCE", starting_sequence_number=sequence)
            if location:
                return location
        return self._service.seek(*place, "EARLIEST") if end else None

    # -- committing ----------------------------------------------------------------------------

    def _check(self, offsets: Mapping[Partition, int]) -> None:
        for (topic, shard), offset in offsets.items():
            known = topic in self._topics and 0 <= shard < self._service.shards(topic)
            if not known or not 0 <= offset <= self._service.last(topic, shard):
                raise ValueError(f"no offset {offset} to commit in {(topic, shard)}")

    def _commit(self, place: Partition, offset: int, exact: bool) -> bool:
        """Write the group's offset; False if the shard is another member's."""
        held = self._held.get(place) or self._leases.get(place)
        for _ in range(_CHANGES):
            if held.holder(self._clock.time()) not in (None, self._member):
                return False
            if not exact and offset <= held.offset:
                return True
            new = held._replace(member=held.member or self._member, offset=offset)
            changed = self._leases.change(place, held, new)
            if changed is not None:
                self._held[place] = changed
                return True
            held = self._leases.get(place)
        raise StoreUnavailable(f"not committed: others keep changing who reads {place}")

    def _keep(self, place: Partition, start: int) -> bool:
        """Whether a shard is ours from `start` on; its lease is taken again if it ran out."""
        now = self._clock.time()
        held = self._held.get(place)
        if held is None or held.holder(now) != self._member:
            held = self._leases.get(place)
            if held.holder(now) not in (None, self._member):
                return False
            new = held._replace(member=self._member, since=now, ttl=self._lease_s)
            changed = self._leases.change(place, held, new)
            if changed is None:
                return False
            self._held[place] = held = changed
        return start >= held.offset


def _refuse(what: str, taken: Sequence[Partition]) -> None:
    if taken:
        places = sorted(taken)
        raise StoreUnavailable(f"not {what}: another member of the group has taken over {places}")
