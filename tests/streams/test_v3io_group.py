"""Groups on V3IO: shards are shared, the dead are replaced, and commits are fenced."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise

import pytest

from sluice.errors import SluiceError, StoreUnavailable
from sluice.streams import Consumer, Message
from sluice.streams.v3io import V3ioStream
from sluice.streams.v3io_leases import Held, Leases
from sluice.streams.v3io_service import Access, Service
from tests.streams.fakes import FakeClock
from tests.streams.test_v3io import connect
from tests.streams.v3io_server import CONTAINER, KEY, V3ioServer

CRASHES = int(os.environ.get("CRASHES", "5"))
TABLE = "shop/streams/.sluice/g/"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def server(clock: FakeClock) -> Iterator[V3ioServer]:
    server = V3ioServer(clock)
    yield server
    server.close()


@pytest.fixture
def stream(server: V3ioServer, clock: FakeClock) -> Iterator[V3ioStream]:
    stream = connect(server, clock)
    yield stream
    stream.close()


def fill(stream: V3ioStream, count: int = 8, topic: str = "t") -> None:
    stream.producer().produce_many(topic, [Message(b"%d" % n) for n in range(count)])


def partitions(consumer: Consumer) -> set[int]:
    return {record.partition for record in consumer.poll(1000, 0)}


def test_members_share_the_shards_and_give_them_up(stream: V3ioStream) -> None:
    fill(stream)
    first = stream.consumer("g", ["t"])
    assert partitions(first) == {0, 1, 2, 3}
    second = stream.consumer("g", ["t"])
    assert partitions(second) == set()  # first has to give two of them up
    assert first.poll(10, 0) == []
    fill(stream)
    halves = partitions(first), partitions(second)
    assert halves[0] | halves[1] == {0, 1, 2, 3}
    assert len(halves[0]) == len(halves[1]) == 2
    second.close()
    first.commit({("t", 0): 0})
    fill(stream)
    assert partitions(first) == {0, 1, 2, 3}


def test_a_member_that_stops_polling_is_replaced_and_cannot_commit(
    stream: V3ioStream, server: V3ioServer, clock: FakeClock
) -> None:
    fill(stream)
    stuck = stream.consumer("g", ["t"], lease_s=10)
    stale = stuck.poll(1000, 0)
    heir = stream.consumer("g", ["t"], lease_s=10)
    assert heir.poll(1000, 0) == []
    clock.now += 11
    again = heir.poll(1000, 0)
    assert sorted(again) == sorted(stale)
    with pytest.raises(StoreUnavailable, match="another member of the group has taken over"):
        stuck.commit(stale)
    assert heir.committed() == {}
    assert sum(item.startswith(TABLE + "member-") for item in server.items) == 1
    heir.commit([record for record in again if record.partition < 2])
    heir.close()
    assert sum(heir.committed().values()) == 4
    stuck.commit(
        [record for record in stale if record.partition < 2][:1]
    )  # the heir is gone: this only cannot move the group back
    assert sum(heir.committed().values()) == 4
    assert len(stream.consumer("g", ["t"]).poll(1000, 0)) == 4


def test_a_table_with_a_lease_that_changed_in_between_is_never_written_over(
    stream: V3ioStream, server: V3ioServer
) -> None:
    fill(stream)
    consumer = stream.consumer("g", ["t"])
    records = consumer.poll(1000, 0)
    item = server.items[TABLE + "shard-0-t"]
    item |= {"member": {"S": "another"}, "revision": {"N": "7"}}
    with pytest.raises(StoreUnavailable, match=r"taken over \[\('t', 0\)\]"):
        consumer.commit(records)
    assert item["offset"] == {"N": "-1"}
    assert set(consumer.committed()) == {("t", 1), ("t", 2), ("t", 3)}


def test_of_two_that_take_a_shard_at_once_one_gets_it(server: V3ioServer, clock: FakeClock) -> None:
    access = Access(server.endpoint, CONTAINER, "shop/streams", KEY)
    service = Service(access, clock)
    first, second = Leases(service, "g"), Leases(service, "g")
    for revision in (0, 1):
        old = first.get(("t", 0))
        assert old == second.get(("t", 0))
        assert old.revision == revision
        mine = first.change(("t", 0), old, Held(0, "first", clock.now, 10))
        assert mine == Held(revision + 1, "first", clock.now, 10)
        assert second.change(("t", 0), old, Held(0, "second", clock.now, 10)) is None
        assert second.get(("t", 0)) == mine
    server.fail("PutItem", "lost")  # the SDK sends it again, and then the revision is another
    old = first.get(("t", 0))
    renewed = first.change(("t", 0), old, old._replace(since=clock.now + 3))
    assert renewed == Held(3, "first", clock.now + 3, 10) == second.get(("t", 0))
    service.close()


def test_a_commit_whose_answer_was_lost_counts_once(stream: V3ioStream, server: V3ioServer) -> None:
    fill(stream)
    consumer = stream.consumer("g", ["t"])
    server.fail("PutItem", "lost", times=2)
    records = consumer.poll(1000, 0)
    server.fail("PutItem", "lost")
    consumer.commit(records)
    assert sum(consumer.committed().values()) == 8
    consumer.commit({("t", 2): 1})  # offsets may move it back
    assert consumer.committed()["t", 2] == 1


def test_writes_that_the_service_refuses_for_no_known_reason_are_told(
    stream: V3ioStream, server: V3ioServer
) -> None:
    fill(stream)
    server.fail("PutItem", 400, times=9)
    with pytest.raises(StoreUnavailable, match=r"write item shop/streams/\.sluice/g/member-"):
        stream.consumer("g", ["t"]).poll(10, 0)
    server.faults.clear()
    consumer = stream.consumer("g", ["t"])
    records = consumer.poll(100, 0)
    server.fail("PutItem", 400)
    with pytest.raises(StoreUnavailable, match=r"refuses to write .*/shard-0-t"):
        consumer.commit(records)


def test_an_item_of_a_newer_format_is_refused(stream: V3ioStream, server: V3ioServer) -> None:
    server.items[TABLE + "shard-0-t"] = {"format": {"N": "2"}}
    with pytest.raises(SluiceError, match="an item of format 2; this Sluice reads 1"):
        stream.consumer("g", ["t"]).committed()


def test_where_a_group_begins(stream: V3ioStream) -> None:
    fill(stream)
    consumer = stream.consumer("g", ["t", "later"], start="latest")
    assert consumer.poll(10, 0) == []
    fill(stream, 1)
    fill(stream, 1, "later")
    records = consumer.poll(10, 0)
    assert {record.topic for record in records} == {"t"}  # and `later` begins now
    consumer.close()
    heir = stream.consumer("g", ["t", "later"], start="latest")
    assert heir.poll(10, 0) == records
    fill(stream, 1, "later")
    assert [record.topic for record in heir.poll(10, 0)] == ["later"]


def test_shards_that_are_added_are_found(
    stream: V3ioStream, server: V3ioServer, clock: FakeClock
) -> None:
    consumer = stream.consumer("g", ["t"], lease_s=9)
    before = clock.now
    assert consumer.poll(10, 1.0) == []
    assert clock.now - before == pytest.approx(1.0)
    fill(stream)
    assert len(consumer.poll(10, 0)) == 8
    server.carry_out("UpdateStream", "shop/streams/t", {"ShardCount": 6})
    clock.now += 3
    fill(stream, 12)
    assert partitions(consumer) == set(range(6))


def test_offsets_that_do_not_exist_are_refused(stream: V3ioStream) -> None:
    fill(stream)
    consumer = stream.consumer("g", ["t"])
    for place, offset in ((("t", 0), 99), (("t", 0), -1), (("other", 0), 0), (("t", 9), 0)):
        with pytest.raises(ValueError, match="no offset"):
            consumer.commit({place: offset})
    assert consumer.committed() == {}


def test_what_retention_took_is_lost_and_counted(
    stream: V3ioStream, server: V3ioServer, clock: FakeClock
) -> None:
    fill(stream)
    consumer = stream.consumer("g", ["t"], lease_s=100)
    consumer.commit(consumer.poll(4, 0))
    reader = stream.consumer("other", ["t"])
    assert len(reader.poll(1000, 0)) == 8
    for shard in server.streams["shop/streams/t"].shards:
        shard.trim(2)
    fill(stream, 4)
    records = consumer.poll(1000, 0)
    while more := consumer.poll(1000, 0):  # a location that is gone is looked up by the next poll
        records += more
    assert len(records) == 4
    assert consumer.lost == 4
    assert len(reader.poll(1000, 0)) == 4
    assert reader.lost == 0
    clock.now += 25 * 3600
    fill(stream, 4)
    assert stream.bounds("t") == dict.fromkeys(range(4), (3, 4))


def test_a_stream_that_was_made_anew_under_a_group_is_told(
    stream: V3ioStream, server: V3ioServer
) -> None:
    fill(stream)
    consumer = stream.consumer("g", ["t"])
    consumer.commit(consumer.poll(1000, 0))
    consumer.close()
    del server.streams["shop/streams/t"]
    fill(stream, 4)
    with pytest.raises(StoreUnavailable, match="ends at 1, and its group has read up to 2"):
        consumer.poll(10, 0)
    consumer.commit({("t", shard): 0 for shard in range(4)})
    consumer.close()
    assert len(stream.consumer("g", ["t"]).poll(10, 0)) == 4


def test_a_poll_that_fails_midway_delivers_all_again(
    stream: V3ioStream, server: V3ioServer
) -> None:
    fill(stream)
    consumer = stream.consumer("g", ["t"])
    consumer.poll(1, 0)
    server.fail("GetRecords", 500, times=4)
    with pytest.raises(StoreUnavailable, match="read t/"):
        consumer.poll(1000, 0)
    assert len(consumer.poll(1000, 0)) == 7


def test_two_under_load_own_no_shard_together(stream: V3ioStream, clock: FakeClock) -> None:
    """Members come and go; at any time no shard is in the hands of two of them."""
    fill(stream, 40)
    members = [stream.consumer("g", ["t"]) for _ in range(3)]
    owned: list[list[set[int]]] = []
    for step in range(12):
        if step == 6:
            members.pop().close()
        clock.now += 1
        fill(stream, 8)
        owned.append([partitions(member) for member in members])
    for before, now in pairwise(owned):
        held = [before[n] & now[n] for n in range(len(now))]
        assert sum(map(len, held)) == len(set().union(*held))
    assert set().union(*owned[-1]) == {0, 1, 2, 3}
