"""V3IO streams: records, envelopes, URLs, errors, over HTTP with the unmodified SDK."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.errors import DeclarationError, SluiceError, StoreUnavailable, TooLarge
from sluice.streams import Clock, Message, open_stream, partition_of
from sluice.streams.v3io import V3ioStream
from tests.streams.fakes import FakeClock
from tests.streams.processes import fork, join
from tests.streams.v3io_server import CONTAINER, KEY, V3ioServer


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=[False, True], ids=["strict", "finds-end"])
def server(request: pytest.FixtureRequest, clock: FakeClock) -> Iterator[V3ioServer]:
    server = V3ioServer(clock, seek_finds_end=request.param)
    yield server
    server.close()


def connect(server: V3ioServer, clock: Clock, partitions: int = 4) -> V3ioStream:
    variables = {"V3IO_API": server.endpoint, "V3IO_ACCESS_KEY": KEY}
    return V3ioStream(f"v3io://{CONTAINER}/shop/streams", partitions, clock, variables)


@pytest.fixture
def stream(server: V3ioServer, clock: FakeClock) -> Iterator[V3ioStream]:
    stream = connect(server, clock)
    yield stream
    stream.close()


def test_what_is_produced_is_consumed_with_key_headers_and_time(
    stream: V3ioStream, clock: FakeClock
) -> None:
    producer = stream.producer()
    place = producer.produce("t", b"\x00\xff", "clé", {"reason": "naïve"})
    assert place == (partition_of("clé", 4), 0)
    assert producer.produce("t", b"2", "clé") == (place[0], 1)
    clock.now += 5
    first, second = stream.consumer("g", ["t"]).poll(10, 0)
    assert first == ("t", place[0], 0, "clé", b"\x00\xff", {"reason": "naïve"}, clock.now - 5)
    assert (second.offset, second.value, second.headers) == (1, b"2", {})
    assert stream.bounds("t")[place[0]] == (0, 2)
    assert stream.bounds("unknown") == {}


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.binary(), st.none() | st.text(max_size=300), st.dictionaries(
    st.text(), st.text(), max_size=2)), max_size=9))  # fmt: skip
def test_any_messages_arrive_in_the_order_of_their_key(
    messages: list[tuple[bytes, str | None, dict[str, str]]],
) -> None:
    clock = FakeClock()
    server = V3ioServer(clock)
    stream = connect(server, clock, partitions=2)
    sent = [Message(*message) for message in messages]
    places = stream.producer().produce_many("t", sent)
    records = stream.consumer("g", ["t"]).poll(100, 0)
    found = {(r.partition, r.offset): (r.value, r.key, r.headers) for r in records}
    assert [found[place] for place in places] == [tuple(message) for message in sent]
    stream.close()
    server.close()


def test_many_are_sent_in_requests_that_the_service_takes(
    stream: V3ioStream, server: V3ioServer
) -> None:
    messages = [Message(b"%d" % n, str(n % 7)) for n in range(2500)]
    assert len(set(stream.producer().produce_many("t", messages))) == 2500
    assert server.calls["PutRecords"] == 3
    large = [Message(bytes(900_000), str(n)) for n in range(8)]
    stream.producer().produce_many("large", large)
    assert server.calls["PutRecords"] == 5
    consumer = stream.consumer("g", ["t"])
    found: list[bytes] = []
    while records := consumer.poll(999, 0):
        assert len(records) <= 999
        found += [record.value for record in records if record.key == "3"]
    assert found == [b"%d" % n for n in range(2500) if n % 7 == 3]


def test_a_message_over_the_limit_is_refused_before_anything_is_sent(
    stream: V3ioStream, server: V3ioServer
) -> None:
    with pytest.raises(TooLarge, match="at most 1000000"):
        stream.producer().produce_many("t", [Message(b"1"), Message(bytes(1_000_000))])
    assert server.calls["PutRecords"] == 0


def test_records_of_other_producers_are_read_as_they_are(
    stream: V3ioStream, server: V3ioServer, clock: FakeClock
) -> None:
    stream.producer().produce("t", b"ours", "k")
    plain = {"Data": "eyJhIjoxfQ==", "PartitionKey": "N14228", "ClientInfo": "aW5mbw=="}
    server.carry_out("PutRecords", "shop/streams/t", {"Records": [plain]})
    records = {record.key: record for record in stream.consumer("g", ["t"]).poll(10, 0)}
    assert records["k"].value == b"ours"
    other = records["N14228"]
    assert other.value == b'{"a":1}'
    assert other.headers == {"v3io.client-info": "aW5mbw=="}
    assert other.timestamp == clock.now


def test_an_envelope_of_a_newer_format_is_refused_by_name(
    stream: V3ioStream, server: V3ioServer
) -> None:
    stream.producer().produce("t", b"ours", "k")
    newer = {"Data": "AHNsdWljZS5yZWNvcmQgMgp4", "ShardId": partition_of("k", 4)}
    server.carry_out("PutRecords", "shop/streams/t", {"Records": [newer]})
    consumer = stream.consumer("g", ["t"])
    with pytest.raises(SluiceError, match="offset 1: a record of format 2; this Sluice reads 1"):
        consumer.poll(10, 0)


# -- failures --------------------------------------------------------------------------------


def test_what_a_shard_refuses_is_sent_again_alone(
    stream: V3ioStream, server: V3ioServer, clock: FakeClock
) -> None:
    producer = stream.producer()
    messages = [Message(b"%d" % n, str(n)) for n in range(20)]
    server.away[1] = 2
    before = clock.now
    places = producer.produce_many("t", messages)
    assert [partition for partition, _ in places] == [partition_of(str(n), 4) for n in range(20)]
    assert server.calls["PutRecords"] == 3
    assert clock.now - before == pytest.approx(0.3)
    assert len(stream.consumer("g", ["t"]).poll(100, 0)) == 20


def test_a_shard_that_stays_away_is_told_with_how_many_were_taken(
    stream: V3ioStream, server: V3ioServer
) -> None:
    server.away[0] = 99
    messages = [Message(b"", str(n)) for n in range(20)]
    taken = sum(partition_of(str(n), 4) != 0 for n in range(20))
    with pytest.raises(StoreUnavailable, match=f"took {taken} of 20 records of t: Shard is busy"):
        stream.producer().produce_many("t", messages)
    assert server.calls["PutRecords"] == 4


def test_a_stream_that_was_made_anew_with_fewer_shards_is_noticed(
    stream: V3ioStream, server: V3ioServer, clock: FakeClock
) -> None:
    producer = stream.producer()
    keys = [str(n) for n in range(9)]
    producer.produce_many("t", [Message(b"", key) for key in keys])
    del server.streams["shop/streams/t"]
    other = connect(server, clock, 1)
    assert other.producer().produce("t", b"") == (0, 0)
    other.close()
    places = producer.produce_many("t", [Message(b"", key) for key in keys])
    assert {partition for partition, _ in places} == {0}


def test_two_that_make_a_topic_at_once_both_get_it(server: V3ioServer, clock: FakeClock) -> None:
    stream = connect(server, clock)
    server.fail("DescribeStream", 404)  # it is made by another between the look and the making
    server.carry_out("CreateStream", "shop/streams/t", {"ShardCount": 2, "RetentionPeriodHours": 1})
    assert stream.producer().produce("t", b"", "k") == (partition_of("k", 2), 0)
    stream.close()


def test_passing_failures_are_waited_out_and_lasting_ones_told(
    stream: V3ioStream, server: V3ioServer, clock: FakeClock
) -> None:
    producer = stream.producer()
    server.fail("PutRecords", 503, times=3)
    before = clock.now
    assert producer.produce("t", b"1", "k") == (partition_of("k", 4), 0)
    assert clock.now - before == pytest.approx(0.7)
    server.fail("PutRecords", 503, times=4)
    with pytest.raises(StoreUnavailable, match="append to t: status 503 Failed to send"):
        producer.produce("t", b"2", "k")


def test_an_answer_that_is_lost_leads_to_a_record_twice_never_to_none(
    stream: V3ioStream, server: V3ioServer
) -> None:
    server.fail("PutRecords", "lost")
    stream.producer().produce("t", b"1", "k")
    values = [record.value for record in stream.consumer("g", ["t"]).poll(10, 0)]
    assert values == [b"1", b"1"]


def test_a_service_that_is_not_there_is_told_without_the_key(clock: FakeClock) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    variables = {"V3IO_API": f"127.0.0.1:{port}", "V3IO_ACCESS_KEY": KEY}
    stream = V3ioStream(f"v3io://{CONTAINER}/a", 1, clock, variables)
    with pytest.raises(StoreUnavailable, match="is V3IO_API right, and the service up") as caught:
        stream.producer().produce("t", b"")
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("container", "key", "told"),
    [
        (CONTAINER, "wrong", r"401 Permission denied; has V3IO_ACCESS_KEY the right to use"),
        ("elsewhere", KEY, r"404 Container not found; is there a container elsewhere"),
    ],
)
def test_what_the_service_refuses_says_what_to_do(
    server: V3ioServer, clock: FakeClock, container: str, key: str, told: str
) -> None:
    variables = {"V3IO_API": server.endpoint, "V3IO_ACCESS_KEY": key}
    stream = V3ioStream(f"v3io:///{container}/a", 1, clock, variables)
    with pytest.raises(StoreUnavailable, match=told) as caught:
        stream.producer().produce("t", b"")
    assert key not in str(caught.value)
    stream.close()


def test_a_service_that_tells_the_key_is_not_quoted(stream: V3ioStream, server: V3ioServer) -> None:
    server.fail("PutRecords", f"no session {KEY}")
    with pytest.raises(StoreUnavailable, match="status 400 no session …"):
        stream.producer().produce("t", b"")


def test_something_else_in_the_place_of_a_topic(stream: V3ioStream, server: V3ioServer) -> None:
    server.items["shop/streams/t/an-item"] = {}
    with pytest.raises(StoreUnavailable, match="ResourceIsnotStream; something else lies there"):
        stream.producer().produce("t", b"")


# -- URLs ------------------------------------------------------------------------------------


def test_a_url_of_the_web_api_itself(server: V3ioServer, clock: FakeClock) -> None:
    url = f"{server.endpoint}/{CONTAINER}/a/b"
    stream = V3ioStream(url, 2, clock, {"V3IO_ACCESS_KEY": KEY})
    stream.producer().produce("t", b"")
    assert server.streams["a/b/t"].hours == 24
    assert len(server.streams["a/b/t"].shards) == 2
    stream.close()


@pytest.mark.parametrize(
    ("url", "missing", "told"),
    [
        ("v3io://", "", "names no container"),
        ("v3io://c/p", "V3IO_API", "V3IO_API is missing"),
        ("v3io://c/p", "V3IO_ACCESS_KEY", "V3IO_ACCESS_KEY is missing"),
        ("v3io://c/p?access_key=secret", "", "takes neither a key nor options"),
        ("https://:secret@host/c/p", "", "takes neither a key nor options"),
    ],
)
def test_urls_that_do_not_do(clock: FakeClock, url: str, missing: str, told: str) -> None:
    variables = {"V3IO_API": "127.0.0.1:1", "V3IO_ACCESS_KEY": KEY}
    variables.pop(missing, None)
    with pytest.raises(DeclarationError, match=told) as caught:
        V3ioStream(url, 1, clock, variables)
    assert "secret" not in json.dumps(vars(caught.value))


def test_an_address_that_is_none(clock: FakeClock) -> None:
    variables = {"V3IO_API": "host:port", "V3IO_ACCESS_KEY": KEY}
    with pytest.raises(DeclarationError, match="no address: nonnumeric port"):
        V3ioStream("v3io://c/p", 1, clock, variables)


def test_open_stream_finds_the_service_in_the_environment(server: V3ioServer) -> None:
    def child() -> None:
        os.environ.update(V3IO_API=server.endpoint, V3IO_ACCESS_KEY=KEY)
        stream = open_stream(f"v3io://{CONTAINER}/a", partitions=3)
        stream.producer().produce("t", b"1", "k")
        stream.close()

    assert join(fork(child)) == 0
    assert len(server.streams["a/t"].shards) == 3


def test_names_that_cannot_lie_below_a_path_are_refused(stream: V3ioStream) -> None:
    for name in ("", ".sluice", "a/b", "x" * 201):
        with pytest.raises(ValueError, match="a topic's name on V3IO"):
            stream.producer().produce(name, b"")
    with pytest.raises(ValueError, match="a group's name on V3IO"):
        stream.consumer("a/b", ["t"])
