"""Who of a group reads which shard, and up to where: items of a table, changed conditionally.

The table is <path>/.sluice/<group>. `member-<id>` says that a member lives. `shard-<n>-<topic>`
has the lease of a shard and the group's offset in it, with a revision that each change counts
up; a change is made on the condition that the revision is the one that was read. So two members
never both take a shard, and a member whose shard was taken cannot commit.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sluice.errors import SluiceError, StoreUnavailable
from sluice.streams.stream import Partition
from sluice.streams.v3io_service import Service

_FORMAT = 1


class Held(NamedTuple):
    """A shard's lease and offset. `revision` 0: there is no item yet; `offset` -1: no commit.

    The lease is `member`'s since then (its clock, epoch s) for `ttl` seconds.
    """

    revision: int = 0
    member: str = ""
    since: float = 0.0
    ttl: float = 0.0
    offset: int = -1

    def holder(self, now: float) -> str | None:
        return self.member if _live(self.since, self.ttl, now) else None


class State(NamedTuple):
    """A group: the members that live, those that do not any more, and its shards."""

    members: set[str]
    dead: set[str]
    shards: dict[Partition, Held]


class Leases:
    """The table of one group."""

    def __init__(self, service: Service, group: str) -> None:
        self._service, self._table = service, service.table(".sluice", group)

    def state(self, now: float) -> State:
        state = State(set(), set(), {})
        for item in self._service.items(self._table):
            self._check(item)
            if "shard" in item:
                state.shards[str(item["topic"]), int(item["shard"])] = _held(item)
            elif _live(float(item["since"]), float(item["ttl"]), now):
                state.members.add(str(item["member"]))
            else:
                state.dead.add(str(item["member"]))
        return state

    def join(self, member: str, now: float, ttl: float) -> None:
        item = {"format": _FORMAT, "member": member, "since": now, "ttl": ttl}
        self._service.put_item(self._table, f"member-{member}", item)

    def leave(self, member: str) -> None:
        self._service.delete_item(self._table, f"member-{member}")

    def get(self, place: Partition) -> Held:
        item = self._service.item(self._table, _key(place))
        if item is None:
            return Held()
        self._check(item)
        return _held(item)

    def change(self, place: Partition, old: Held, new: Held) -> Held | None:
        """`new` with its revision if it took the place of `old`, None if that has changed."""
        new = new._replace(revision=old.revision + 1)
        topic, shard = place
        item = {"format": _FORMAT, "topic": topic, "shard": shard, **new._asdict()}
        condition = f"revision == {old.revision}" if old.revision else "not(exists(revision))"
        if self._service.put_item(self._table, _key(place), item, condition):
            return new
        found = self.get(place)
        if found == old:
            raise StoreUnavailable(f"V3IO refuses to write {self._table}/{_key(place)}")
        return new if found == new else None  # it is ours, and the first answer was lost

    def _check(self, item: dict[str, Any]) -> None:
        if int(item["format"]) > _FORMAT:
            raise SluiceError(
                f"{self._table}: an item of format {item['format']}; this Sluice reads "
                f"{_FORMAT}: upgrade it"
            )


def _key(place: Partition) -> str:
    topic, shard = place
    return f"shard-{shard}-{topic}"


def _held(item: dict[str, Any]) -> Held:
    return Held(
        int(item["revision"]), str(item["member"]), float(item["since"]), float(item["ttl"]),
        int(item["offset"]),
    )  # fmt: skip


def _live(since: float, ttl: float, now: float) -> bool:
    """Also false when a clock was set back by more than the lease lasts."""
    return abs(now - since) < ttl
