"""What is Kafka's own: its URL, its errors, retention, transactions, and brokers that go away."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions

from sluice.errors import DeclarationError, StoreUnavailable, TooLarge
from sluice.streams import Consumer, Message, Pipe, Record, Stream, open_stream
from sluice.streams.kafka import KafkaStream
from sluice.streams.kafka_address import read_address
from tests.streams.broker import Broker
from tests.streams.processes import fork, join


@pytest.fixture
def stream(broker: Broker) -> Iterator[Stream]:
    stream = open_stream(broker.url(), partitions=2)
    yield stream
    stream.close()


def take(consumer: Consumer | Pipe, number: int) -> list[Record]:
    records: list[Record] = []
    end = time.monotonic() + 20
    while len(records) < number and time.monotonic() < end:
        records += consumer.poll(1000, 0.5)
    return records


def administrator(broker: Broker) -> AdminClient:
    return AdminClient({"bootstrap.servers": broker.brokers, "log_level": 0})


# -- the URL ---------------------------------------------------------------------------------------


def test_a_url() -> None:
    url = "kafka://one:9092,two/?linger.ms=1&sasl.password=a%26b+c&transactions=shop&replication=3"
    address = read_address(url)
    assert address.brokers == "one:9092,two"
    assert address.options == {"linger.ms": "1", "sasl.password": "a&b+c"}
    assert (address.transactions, address.replication) == ("shop", 3)
    assert address.place == "kafka://one:9092,two"
    assert address.clean("no a&b+c here") == "no *** here"


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("kafka://", "names no broker"),
        ("kafka://one,,two", "names no broker"),
        ("kafka://me:secret@one", "a user has no place before the brokers"),
        ("kafka://one/topic", "has a path: 'topic'"),
        ("kafka://one?secret", "options are no name=value"),
        ("kafka://one?acks=0&sasl.password=secret", "acks: is not for setting"),
        ("kafka://one?transactions=", "transactions: is empty"),
        ("kafka://one?replication=0", "replication: is no whole number above 0"),
        ("kafka://one?linger=1&sasl.password=secret", 'No such configuration property: "linger"'),
        ("kafka://one?linger.ms=secret&sasl.password=secret", "Invalid value"),
        ("kafka://one?security.protocol=secret&sasl.password=secret", "Invalid value"),
    ],
)
def test_a_url_that_is_wrong_is_refused_by_name_and_shows_no_secret(url: str, problem: str) -> None:
    with pytest.raises(DeclarationError, match=problem) as refused:
        KafkaStream(url, 4, time)
    assert "secret" not in str(refused.value)


def test_partitions_and_windows_have_ranges(stream: Stream) -> None:
    with pytest.raises(ValueError, match="partitions: 1 to"):
        KafkaStream("kafka://one", 0, time)
    with pytest.raises(DeclarationError, match=r"window_s.*transactions=PREFIX"):
        stream.pipe("g", ["t"], window_s=60.0)


# -- topics and messages ---------------------------------------------------------------------------


def test_topics_that_cannot_be_made_say_why(real_broker: Broker) -> None:
    producer = open_stream(real_broker.url()).producer()
    with pytest.raises(DeclarationError, match="1 to 249 of letters"):
        producer.produce("no such name!", b"")
    producer = open_stream(real_broker.url(replication="9")).producer()
    with pytest.raises(DeclarationError, match="REPLICATION_FACTOR"):
        producer.produce(real_broker.name("t"), b"")


def test_asking_makes_no_topic(real_broker: Broker, stream: Stream) -> None:
    topic = real_broker.name("t")
    assert stream.bounds(topic) == {}
    consumer = stream.consumer(real_broker.name("g"), [topic])
    assert consumer.poll(10, 0.2) == []
    assert consumer.committed() == {}
    consumer.close()
    assert stream.bounds(topic) == {}


def test_a_message_that_is_too_large_is_no_outage(broker: Broker, stream: Stream) -> None:
    topic, producer = broker.name("t"), stream.producer()
    with pytest.raises(TooLarge, match="does not take a message of this size"):
        producer.produce_many(topic, [Message(b"fine"), Message(b"x" * 2_000_000)])
    assert producer.produce(topic, b"after it")[1] >= 0


def test_many_messages_wait_for_room_in_the_queue(real_broker: Broker) -> None:
    small = open_stream(real_broker.url(**{"queue.buffering.max.messages": "50"}))
    places = small.producer().produce_many(real_broker.name("t"), [Message(b"x", "k")] * 500)
    assert [offset for _, offset in places] == list(range(500))


def test_bytes_that_are_no_text_are_shown(real_broker: Broker, stream: Stream) -> None:
    topic = real_broker.name("t")
    stream.producer().produce(topic, b"ours")
    other = Producer({"bootstrap.servers": real_broker.brokers, "log_level": 0})
    other.produce(topic, None, b"\xff", headers=[("binary", b"\xfe"), ("null", None)])
    other.flush()
    consumer = stream.consumer(real_broker.name("g"), [topic])
    [found] = [record for record in take(consumer, 2) if record.key is not None]
    assert (found.key, found.value) == ("\\xff", b"")
    assert found.headers == {"binary": "\\xfe", "null": ""}
    consumer.close()


def test_new_partitions_are_found(real_broker: Broker, stream: Stream) -> None:
    topic, producer = real_broker.name("t"), stream.producer()
    consumer = stream.consumer(real_broker.name("g"), [topic])
    producer.produce(topic, b"0", "a")
    assert len(take(consumer, 1)) == 1
    admin = administrator(real_broker)
    admin.create_partitions([NewPartitions(topic, 8)])[topic].result()
    other = open_stream(real_broker.url()).producer()
    places = set(other.produce_many(topic, [Message(b"", str(n)) for n in range(20)]))
    assert len({partition for partition, _ in places}) > 2
    while places:
        found = take(consumer, 1)
        consumer.commit(found)
        places -= {(record.partition, record.offset) for record in found}
        assert found
    consumer.close()


# -- groups ----------------------------------------------------------------------------------------


def test_a_lease_that_the_brokers_refuse_is_named(real_broker: Broker, stream: Stream) -> None:
    topic = real_broker.name("t")
    stream.producer().produce(topic, b"")
    consumer = stream.consumer(real_broker.name("g"), [topic], lease_s=0.05)
    with pytest.raises(DeclarationError, match="lease_s is not what the brokers allow"):
        take(consumer, 1)
    consumer.close()


def test_what_retention_took_is_counted_as_lost(real_broker: Broker) -> None:
    stream = open_stream(real_broker.url(), partitions=1)
    topic, group = real_broker.name("t"), real_broker.name("g")
    stream.producer().produce_many(topic, [Message(b"%d" % n) for n in range(50)])
    consumer = stream.consumer(group, [topic])
    consumer.commit(take(consumer, 50)[:10])
    consumer.close()
    admin = administrator(real_broker)
    [deleted] = admin.delete_records([TopicPartition(topic, 0, 30)]).values()
    deleted.result()
    assert stream.bounds(topic) == {0: (30, 50)}
    again = stream.consumer(group, [topic])
    assert [int(record.value) for record in take(again, 20)] == list(range(30, 50))
    assert again.lost == 20
    fresh = stream.consumer(real_broker.name("fresh"), [topic])
    assert len(take(fresh, 20)) == 20
    assert fresh.lost == 0  # a group that begins there has lost nothing
    again.close()
    fresh.close()


def test_where_the_latest_was_is_kept_for_the_next_holder(real_broker: Broker) -> None:
    stream = open_stream(real_broker.url(), partitions=2)
    topic, group = real_broker.name("t"), real_broker.name("g")
    producer = stream.producer()
    producer.produce_many(topic, [Message(b"old", str(n)) for n in range(10)])
    first = stream.consumer(group, [topic], start="latest")
    assert first.poll(10, 1.0) == []
    first.close()
    producer.produce_many(topic, [Message(b"new", str(n)) for n in range(10)])
    second = stream.consumer(group, [topic], start="latest")
    assert Counter(record.value for record in take(second, 10)) == {b"new": 10}
    second.close()


def test_a_pipe_that_fails_to_forward_delivers_again_and_appends_nothing(
    real_broker: Broker,
) -> None:
    stream = open_stream(real_broker.url(transactions="tests"), partitions=2)
    requests, replies = real_broker.name("requests"), real_broker.name("replies")
    stream.producer().produce_many(requests, [Message(b"%d" % n, str(n)) for n in range(30)])
    pipe = stream.pipe(real_broker.name("g"), [requests])
    records = take(pipe, 30)
    good = [(replies, Message(record.value, record.key)) for record in records]
    for _ in range(2):
        with pytest.raises(TooLarge):
            pipe.forward(records, [*good, (replies, Message(b"x" * 2_000_000))])
        again = take(pipe, 30)
        assert sorted(r.key or "" for r in again) == sorted(r.key or "" for r in records)
    pipe.forward(records, good)
    pipe.close()
    reader = stream.consumer(real_broker.name("reader"), [replies])
    keys = Counter(record.key for record in take(reader, 30) + reader.poll(100, 0.3))
    assert keys == {str(n): 1 for n in range(30)}
    reader.close()


# -- brokers that are away, and forks --------------------------------------------------------------


def test_a_broker_that_is_away_is_said() -> None:
    url = "kafka://127.0.0.1:1/?sasl.password=secret"
    consumer = open_stream(url).consumer("g", ["t"])
    with pytest.raises(StoreUnavailable, match=r"kafka://127\.0\.0\.1:1: ") as away:
        take(consumer, 1)
    assert "secret" not in str(away.value)
    begun = time.monotonic()
    consumer.close()
    assert time.monotonic() - begun < 5


def test_children_that_end_in_order_leave_the_parents_handles_alone(broker: Broker) -> None:
    """To end a handle without its threads, which a fork does not take along, would hang."""
    stream = open_stream(broker.url())
    producer, topic = stream.producer(), broker.name("t")
    first = producer.produce(topic, b"parent", "k")

    def child() -> None:
        nonlocal producer
        assert producer.produce(topic, b"child", "k")[0] == first[0]
        del producer

    assert join(fork(child)) == 0
    assert producer.produce(topic, b"parent", "k") == (first[0], first[1] + 2)
    stream.close()
