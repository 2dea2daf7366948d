"""Logs of format 1 are read, and written on; then what knows no blocks refuses them by name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sluice.environment import Kind, acquire, release
from sluice.errors import DeclarationError
from sluice.streams import Message, Record, Stream, open_stream, partition_of
from tests.streams import format_1
from tests.streams.fakes import FakeClock

GOLDEN = Path(__file__).parent / "format-1.log"
OLD = Kind("log", b"m", b"sluice.log ", format=1, folder=False, map_size=1 << 20)
NOW = 1_700_000_000.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A log that the last Sluice before blocks wrote: 22 records, group "g" has committed 8."""
    return Path(shutil.copy(GOLDEN, tmp_path / "s.log"))


def read(stream: Stream, group: str) -> list[Record]:
    consumer = stream.consumer(group, ["t"])
    records: list[Record] = []
    while batch := consumer.poll(3, 0):
        records += batch
    consumer.close()
    return sorted(records, key=lambda record: (record.partition, record.offset))


def expected() -> list[tuple[str | None, bytes, dict[str, str], float]]:
    first = [
        (f"key {n % 4}" if n % 3 else None, b"value %d" % n, {"n": str(n)} if n % 2 else {}, NOW)
        for n in range(20)
    ]
    return [*first, ("ä", b"", {}, NOW + 60), ("key 1", b"x" * 6000, {}, NOW + 60)]


def test_all_of_it_is_read_and_nothing_is_changed(path: Path) -> None:
    before = format_1.entries(path)
    stream = open_stream(str(path))
    records = read(stream, "new")
    stream.close()
    found = [(r.key, r.value, r.headers, r.timestamp) for r in records]
    assert sorted(found, key=str) == sorted(expected(), key=str)
    after = format_1.entries(path)
    assert {key: value for key, value in after.items() if key[:1] not in b"lw"} == before
    release(acquire(path, OLD))


def test_it_is_written_on_in_blocks_and_then_refused_by_what_knows_none(path: Path) -> None:
    stream = open_stream(str(path))
    assert stream.bounds("t") == {0: (0, 12), 1: (0, 5), 2: (0, 5)}
    old = read(stream, "before")
    stream.producer().produce_many("t", [Message(b"new")] * 14)
    records = read(stream, "all")
    stream.close()
    assert [r for r in records if r.value != b"new"] == old
    assert [(r.partition, r.offset) for r in records] == [
        (p, n) for p in range(3) for n in range(12)
    ]
    with pytest.raises(DeclarationError, match=r"format: is 2 \(this Sluice reads up to 1"):
        acquire(path, OLD)


def test_a_group_goes_on_where_it_was(path: Path) -> None:
    stream = open_stream(str(path))
    consumer = stream.consumer("g", ["t"])
    assert consumer.committed() == {("t", 0): 8}
    assert len(consumer.poll(100, 0)) == 14
    stream.close()


def test_retention_by_age_takes_its_records_too(path: Path) -> None:
    stream = open_stream(str(path), retention_s=50, clock=FakeClock(NOW + 70))
    stream.producer().produce("t", b"new", "ä")
    assert {r.value[:5] for r in read(stream, "all")} == {b"", b"xxxxx", b"new"}
    stream.close()


def test_retention_by_age_leaves_those_that_are_not_old(path: Path) -> None:
    stream = open_stream(str(path), retention_s=80, clock=FakeClock(NOW + 70))
    stream.producer().produce("t", b"new", "ä")
    assert len(read(stream, "all")) == 23
    stream.close()


def test_retention_by_size_takes_its_records_too(path: Path) -> None:
    stream = open_stream(str(path), retention_bytes=600, clock=FakeClock(NOW + 70))
    stream.producer().produce("t", b"new", "ä")
    kept = {partition: end - first for partition, (first, end) in stream.bounds("t").items()}
    assert kept[partition_of("key 1", 3)] == 1  # the newest is large
    assert 1 < sum(kept.values()) < 20
    assert len(read(stream, "all")) == sum(kept.values())
    stream.close()


def test_the_model_starts_from_files_like_it(path: Path, tmp_path: Path) -> None:
    before = format_1.entries(path)
    stream = open_stream(str(path))
    records = [record for record in read(stream, "new") if record.timestamp == NOW]
    stream.close()
    messages: list[list[Message]] = [[], [], []]
    for record in records:
        messages[record.partition].append(Message(record.value, record.key, record.headers))
    format_1.write(tmp_path / "like.log", "t", messages, NOW)
    like = format_1.entries(tmp_path / "like.log")
    assert {key: len(value) for key, value in like.items()}.items() <= {
        key: len(value) for key, value in before.items()
    }.items()
    assert all(before[key] == value for key, value in like.items() if key[:1] in b"mtr")
