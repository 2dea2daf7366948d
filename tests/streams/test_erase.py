"""Records that are taken out of the embedded log: offsets stay, and no group waits for them."""

from __future__ import annotations

import time
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from sluice.environment import acquire, release
from sluice.scrub import scrub
from sluice.streams import Message, Record, open_stream
from sluice.streams.block import EMPTY, Row
from sluice.streams.erase import pieces, topics
from sluice.streams.expire import expire
from sluice.streams.layout import KIND

SECRET = b"a secret that nobody may read"


def erased(file: Path, write: bool = True) -> int:
    """Take out all records with the secret; how many."""

    def change(record: Record) -> Row | None:
        return EMPTY if SECRET in record.value else None

    env = acquire(file, KIND, time.monotonic)
    try:
        count = sum(p.changed for t in topics(env) for p in pieces(env, t, change, write=write))
        if write:
            list(scrub(env, [SECRET]))
        return count
    finally:
        release(env)


@given(
    secret=st.lists(st.booleans(), min_size=1, max_size=40),
    commits=st.integers(1, 9),
    room=st.integers(1, 7),
    read=st.integers(0, 40),
)
def test_the_others_are_read_in_order_and_nothing_waits(
    tmp_path_factory: object, secret: list[bool], commits: int, room: int, read: int
) -> None:
    file = tmp_path_factory.mktemp("log") / "x.log"  # type: ignore[attr-defined]
    stream = open_stream(str(file), partitions=1)
    values = [SECRET + b"%d" % i if bad else b"%d" % i for i, bad in enumerate(secret)]
    for first in range(0, len(values), commits):
        some = [Message(v, "k") for v in values[first : first + commits]]
        stream.producer(durable=False).produce_many("t", some)
    consumer = stream.consumer("g", ["t"])
    done = consumer.poll(read, 0) if read else []
    consumer.commit(done)
    assert erased(file) == sum(secret)
    bounds = stream.bounds("t")
    while batch := consumer.poll(room, 0):
        done += batch
        consumer.commit(batch)
    left = [value for value in values if SECRET not in value]
    assert [r.value for r in done if SECRET not in r.value] == left
    assert [r.offset for r in done] == sorted(r.offset for r in done)
    assert stream.bounds("t") == bounds
    again = stream.pipe("g", ["t"])
    consumer.close()
    again.poll(1, 0)
    assert not any(again.lag().values())
    stream.close()
    assert SECRET not in file.read_bytes()


def test_to_look_changes_nothing(tmp_path: Path) -> None:
    stream = open_stream(str(tmp_path / "x.log"))
    stream.producer().produce_many("t", [Message(SECRET), Message(b"other")])
    before = (tmp_path / "x.log").read_bytes()
    assert erased(tmp_path / "x.log", write=False) == 1
    assert (tmp_path / "x.log").read_bytes() == before
    stream.close()


def test_what_was_lost_before_forgotten_records_is_counted(tmp_path: Path) -> None:
    file = tmp_path / "x.log"
    stream = open_stream(str(file), partitions=1)
    producer, consumer = stream.producer(durable=False), stream.consumer("g", ["t"])
    for value in (b"read", b"old", SECRET, b"next"):
        producer.produce("t", value)
    consumer.commit(consumer.poll(1, 0))
    [_, _, secret, _] = stream.consumer("other", ["t"]).poll(9, 0)
    env = acquire(file, KIND, time.monotonic)
    assert sum(expire(env, "t", secret.timestamp)) == 2
    release(env)
    assert erased(file) == 1
    assert [record.value for record in consumer.poll(1, 0)] == [b"next"]
    assert consumer.lost == 1
    stream.close()
