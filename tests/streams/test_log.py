"""The embedded log: what it keeps, what it refuses, how it grows."""

from __future__ import annotations

import struct
import sys
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

import lmdb
import pytest

from sluice.errors import DeclarationError, SluiceError, StoreUnavailable
from sluice.streams import Message, Record, log_path, open_stream
from tests.streams.fakes import FakeClock
from tests.streams.format_1 import entries


def test_a_path_alone_is_a_log(tmp_path: Path) -> None:
    stream = open_stream(str(tmp_path / "deep" / "s.log"), partitions=1)
    assert stream.producer().produce("t", b"v", "k", {"h": "1"}) == (0, 0)
    (record,) = stream.consumer("g", ["t"]).poll()
    assert (record.value, record.key, record.headers) == (b"v", "k", {"h": "1"})
    assert (tmp_path / "deep" / "s.log").is_file()
    stream.close()


def test_an_unknown_scheme_is_refused_with_what_is_supported() -> None:
    with pytest.raises(DeclarationError, match=r"unknown scheme 'kafkaa'.*log://path.*kafka://"):
        open_stream("kafkaa://broker:9092")
    with pytest.raises(DeclarationError, match=r"is 'kafka', not the embedded log \(log://path"):
        log_path("kafka://broker:9092")


@pytest.mark.parametrize("url", ["kafka://127.0.0.1:9092", "v3io://container/path"])
def test_retention_is_the_brokers(url: str) -> None:
    with pytest.raises(DeclarationError, match=r"retention is set, and (kafka|v3io) keeps its own"):
        open_stream(url, retention_s=60)


@pytest.mark.parametrize("scheme", ["kafka", "kafkaa"])
def test_an_error_quotes_no_secret_of_a_url(scheme: str) -> None:
    with pytest.raises(DeclarationError, match=f"^{scheme}://one:9092/: ") as refused:
        open_stream(f"{scheme}://me:secret@one:9092/?sasl.password=secret", retention_s=60)
    assert "secret" not in str(refused.value)


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sluice.streams.kafka", None)
    with pytest.raises(ModuleNotFoundError, match=r"sluice\.streams\.kafka"):
        open_stream("kafka://broker:9092")
    broken = ModuleType("broken")
    monkeypatch.setattr(broken, "KafkaStream", missing, raising=False)
    monkeypatch.setitem(sys.modules, "sluice.streams.kafka", broken)
    with pytest.raises(DeclarationError, match=r"needs the package confluent-kafka \(pip install"):
        open_stream("kafka://broker:9092")


def missing(*_: object) -> None:
    raise ModuleNotFoundError("no", name="confluent_kafka")


def test_partitions_of_a_topic_stay_as_it_was_made(tmp_path: Path) -> None:
    url = f"log://{tmp_path}/s.log"
    first, second = open_stream(url, partitions=2), open_stream(url, partitions=5)
    first.producer().produce("t", b"")
    second.producer().produce("t", b"")
    second.producer().produce("u", b"")
    assert (len(first.bounds("t")), len(first.bounds("u"))) == (2, 5)
    assert first.bounds("unknown") == {}
    first.close()
    second.close()


def test_a_log_that_was_closed_says_so_and_is_closed_once(tmp_path: Path) -> None:
    first, second = open_stream(str(tmp_path / "s.log")), open_stream(str(tmp_path / "s.log"))
    producer = first.producer()
    first.close()
    first.close()
    second.producer().produce("t", b"")
    second.close()
    with pytest.raises(StoreUnavailable, match="was closed"):
        producer.produce("t", b"")


@pytest.mark.parametrize("name", ["", "n" * 201])
def test_names_that_do_not_fit_are_refused(tmp_path: Path, name: str) -> None:
    stream = open_stream(f"log://{tmp_path}/s.log")
    with pytest.raises(ValueError, match="1 to 200 bytes"):
        stream.producer().produce(name, b"")
    with pytest.raises(ValueError, match="1 to 200 bytes"):
        stream.consumer(name, ["t"])
    stream.close()


def rewrite(path: Path, key: bytes, value: bytes) -> None:
    env: Any = lmdb.open(str(path), subdir=False)
    with env.begin(write=True) as txn:
        txn.put(key, value)
    env.close()


def test_a_newer_format_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "s.log"
    open_stream(str(path)).close()
    rewrite(path, b"m", b"sluice.log 3")
    with pytest.raises(SluiceError, match=r"log .*s\.log: format: is 3 .* reads up to 2"):
        open_stream(str(path))


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    rewrite(tmp_path / "other.mdb", b"some", b"thing")
    with pytest.raises(SluiceError, match="is not a log: it holds something else"):
        open_stream(str(tmp_path / "other.mdb"))


def test_retention_by_size_keeps_the_newest(tmp_path: Path) -> None:
    stream = open_stream(str(tmp_path / "s.log"), partitions=2, retention_bytes=10_000)
    producer = stream.producer(durable=False)
    for n in range(60):
        producer.produce("t", b"%03d" % n * 100)
    for first, next_ in stream.bounds("t").values():
        assert next_ == 30
        assert 14 <= next_ - first <= 16
    values = [r.value[:3] for r in stream.consumer("g", ["t"]).poll(1000, 0)]
    assert sorted(values) == [b"%03d" % n for n in range(60 - len(values), 60)]
    producer.produce("t", b"x" * 9000, "k")
    assert any(next_ - first == 1 for first, next_ in stream.bounds("t").values())
    stream.close()


def test_retention_by_age_reaches_quiet_partitions_too(tmp_path: Path) -> None:
    clock = FakeClock()
    stream = open_stream(str(tmp_path / "s.log"), partitions=2, retention_s=60, clock=clock)
    producer = stream.producer(durable=False)
    producer.produce_many("t", [Message(b"old", "a"), Message(b"old", "b")] * 5)
    clock.now += 59
    producer.produce("t", b"kept", "a")
    assert sum(next_ - first for first, next_ in stream.bounds("t").values()) == 11
    clock.now += 2
    producer.produce("t", b"new", "a")
    values = [r.value for r in stream.consumer("g", ["t"]).poll(100, 0)]
    assert values == [b"kept", b"new"]
    stream.close()


def test_retention_takes_bounded_steps(tmp_path: Path) -> None:
    keep_all = open_stream(str(tmp_path / "s.log"), partitions=1)
    for _ in range(500):
        keep_all.producer(durable=False).produce("t", b"x" * 100)
    stream = open_stream(str(tmp_path / "s.log"), retention_bytes=1)
    firsts = []
    for _ in range(10):
        stream.producer(durable=False).produce("t", b"x")
        firsts.append(stream.bounds("t")[0][0])
    assert firsts[:3] == [66, 132, 198]
    assert stream.bounds("t")[0] == (509, 510)
    stream.close()
    keep_all.close()


def test_retention_takes_whole_blocks_and_leaves_the_newest(tmp_path: Path) -> None:
    stream = open_stream(str(tmp_path / "s.log"), partitions=1, retention_bytes=3000)
    producer = stream.producer(durable=False)
    firsts = []
    for count in (10, 10, 10, 50, 1):
        producer.produce_many("t", [Message(b"x" * 100)] * count)
        firsts.append(stream.bounds("t")[0][0])
    assert firsts == [0, 0, 10, 30, 80]
    assert [r.offset for r in stream.consumer("g", ["t"]).poll(100, 0)] == [80]
    stream.close()


def test_a_quiet_partition_is_empty_after_its_time_and_goes_on(tmp_path: Path) -> None:
    clock = FakeClock()
    stream = open_stream(str(tmp_path / "s.log"), partitions=1, retention_s=60, clock=clock)
    producer = stream.producer(durable=False)
    producer.produce_many("t", [Message(b"x")] * 5)
    consumer = stream.consumer("g", ["t"])
    clock.now += 61
    producer.produce_many("t", [Message(b"y")] * 5)
    clock.now += 59
    producer.produce("t", b"z")
    assert stream.bounds("t") == {0: (5, 11)}
    assert [r.value for r in consumer.poll(100, 0)] == [b"y"] * 5 + [b"z"]
    assert consumer.lost == 0  # its first poll began where the topic did
    stream.close()


def test_a_commit_is_one_block_for_each_partition(tmp_path: Path) -> None:
    path = tmp_path / "s.log"
    stream = open_stream(str(path), partitions=4)
    stream.producer().produce_many("t", [Message(b"x", f"{n}") for n in range(500)])
    stream.close()
    kinds = sorted(key[:1] for key in entries(path))
    assert kinds == [b"m", b"r", b"r", b"r", b"r", b"s", b"t"]


def test_what_is_large_is_more_than_one_commit(tmp_path: Path) -> None:
    path = tmp_path / "s.log"
    stream = open_stream(str(path), partitions=1)
    producer = stream.producer(durable=False)
    producer.produce_many("many", [Message(b"")] * 2500)
    producer.produce_many("large", [Message(b"x" * (3 << 20))] * 3 + [Message(b"x" * (9 << 20))])
    assert producer.produce_many("none", []) == []
    consumer = stream.consumer("g", ["large"])
    assert [len(r.value) >> 20 for r in consumer.poll(100, 0)] == [3, 3, 3, 9]
    stream.close()
    blocks = [key[1:15] for key in entries(path) if key[:1] == b"r"]
    places = [struct.unpack(">IHQ", key) for key in blocks]
    assert places == [(0, 0, 0), (0, 0, 1000), (0, 0, 2000), (1, 0, 0), (1, 0, 2), (1, 0, 3)]


@pytest.mark.parametrize("room", [1, 3, 7, 100])
def test_polls_begin_and_end_in_the_middle_of_blocks(tmp_path: Path, room: int) -> None:
    stream = open_stream(str(tmp_path / "s.log"), partitions=2)
    producer = stream.producer(durable=False)
    for count in (5, 1, 1, 8, 10):
        producer.produce_many("t", [Message(b"%d" % n) for n in range(count)])
    whole = stream.consumer("whole", ["t"]).poll(100, 0)
    for start in range(13):
        consumer = stream.consumer(f"g{start}", ["t"])
        consumer.commit({("t", 0): start, ("t", 1): 12 - start})
        records: list[Record] = []
        while batch := consumer.poll(room, 0):
            assert len(batch) <= room
            records += batch
        expected = [r for r in whole if r.offset >= (12 - start if r.partition else start)]
        assert sorted(records) == sorted(expected)
    stream.close()


def test_an_odd_message_harms_no_other(tmp_path: Path) -> None:
    stream = open_stream(str(tmp_path / "s.log"), partitions=1)
    producer = stream.producer()
    odd = [Message(b"a", None, MappingProxyType({"h": "1"})), Message("b")]  # type: ignore[arg-type]
    producer.produce_many("t", [*odd, Message(b"c")])
    with pytest.raises(TypeError, match="a message holds bytes and texts, not object"):
        producer.produce_many("t", [Message(b"d"), Message(b"e", None, object())])  # type: ignore[arg-type]
    records = stream.consumer("g", ["t"]).poll(100, 0)
    assert [(r.value, r.headers) for r in records] == [(b"a", {"h": "1"}), ("b", {}), (b"c", {})]
    stream.close()


def test_records_lost_to_retention_are_counted(tmp_path: Path) -> None:
    stream = open_stream(str(tmp_path / "s.log"), partitions=1, retention_bytes=3000)
    producer = stream.producer(durable=False)
    producer.produce_many("t", [Message(b"x" * 100)] * 5)
    consumer = stream.consumer("g", ["t"])
    consumer.commit(consumer.poll(2, 0))
    producer.produce_many("t", [Message(b"y" * 100)] * 60)
    first = stream.bounds("t")[0][0]
    records = consumer.poll(100, 0)
    assert records[0].offset == first
    assert consumer.lost == first - 2
    stream.close()
