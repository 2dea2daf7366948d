"""What one poll reads: a block is decoded once, however small the polls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sluice.environment import acquire, release
from sluice.streams import Message, open_stream
from sluice.streams.batch import Batch
from sluice.streams.block import Block
from sluice.streams.layout import KIND, Topic

PLACE = "t", 0


def test_what_was_read_of_a_block_is_not_read_again(tmp_path: Path) -> None:
    stream = open_stream(str(tmp_path / "s.log"), partitions=1)
    stream.producer().produce_many("t", [Message(b"in the file")] * 9)
    env = acquire(tmp_path / "s.log", KIND)
    rest = Block(2, 1.0, [(b"in hand", None, {})] * 5)

    def fill(positions: dict[tuple[str, int], int], room: int) -> Batch:
        def work(txn: Any) -> Batch:
            batch = Batch(positions, {PLACE: rest})
            batch.fill(txn, Topic(0, 1), PLACE, room)
            return batch

        return env.read(work)

    some = fill({PLACE: 2}, 3)
    assert [(r.offset, r.value) for r in some.records] == [(n, b"in hand") for n in (2, 3, 4)]
    assert (some.positions, some.rests) == ({PLACE: 5}, {PLACE: rest.since(5)})
    all_ = fill({PLACE: 2}, 100)
    assert [r.value for r in all_.records] == [b"in hand"] * 5 + [b"in the file"] * 2
    assert (all_.positions, all_.rests) == ({PLACE: 9}, {})
    elsewhere = fill({PLACE: 3}, 2)
    assert [r.value for r in elsewhere.records] == [b"in the file"] * 2
    assert len(elsewhere.rests[PLACE].rows) == 4
    assert Batch({}, {PLACE: rest}).rests == {}  # no longer ours
    release(env)
    stream.close()
