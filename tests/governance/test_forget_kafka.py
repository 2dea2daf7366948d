"""A subject's records on Kafka are found and told, with what has to be done; that works."""

from __future__ import annotations

import json
import time
from pathlib import Path

import orjson
import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from sluice.cli import main
from sluice.forget.forget import Forgotten, forget
from sluice.forget.kafka import KafkaTopics
from sluice.forget.subject import Subject
from sluice.monitoring.redaction import Redaction
from sluice.streams import Message, open_stream
from tests.governance.planted import EMAIL, environ
from tests.streams.broker import Broker
from tests.streams.fakes import FakeClock
from tests.tiny import Tiny

OTHER = "bob@example.org"


def fill(broker: Broker, topic: str, emails: list[str], partitions: int = 1, at: int = 0) -> None:
    """Requests with these addresses, "r0", "r1", …; the answers have the ids alone."""
    stream = open_stream(broker.url(), partitions=partitions)
    producer = stream.producer()
    bodies = [orjson.dumps({"email": email}) for email in emails]
    producer.produce_many(topic, [Message(b, f"r{i}", {}) for i, b in enumerate(bodies, at)])
    stream.close()


def forgotten(broker: Broker, topics: list[str], folder: Path) -> Forgotten:
    subject = Subject({"email": EMAIL}, Redaction({}, b""))
    kafka = KafkaTopics(broker.url(), topics.__contains__, frozenset(topics[:1]), time)
    try:
        return forget(subject, [kafka], folder)
    finally:
        kafka.close()


def test_what_is_there_is_told_and_left(broker: Broker, tmp_path: Path) -> None:
    """Also what belongs to the subject's requests, wherever it is read first."""
    requests, answers = broker.name("requests"), broker.name("answers")
    fill(broker, requests, [EMAIL, OTHER, EMAIL], partitions=2)
    fill(broker, answers, ["", "", ""])
    subject = Subject({"email": EMAIL}, Redaction({}, b""))
    topics = [answers, requests]
    kafka = KafkaTopics(broker.url(), topics.__contains__, frozenset([requests]), time)
    assert sum(seen.found for seen in kafka.look(subject, delete=False)) in (2, 4)
    assert subject.ids == {"r0": 1, "r2": 1}
    again = list(kafka.look(subject, delete=False))
    assert (sum(s.found for s in again), sum(s.records for s in again)) == (4, 6)
    assert list(kafka.look(subject, delete=True)) == []
    assert [tuple(seen) for seen in kafka.look(subject, delete=False)] == [(0, 4)]
    kafka.close()


def test_whoever_takes_his_time_over_the_records_may(broker: Broker) -> None:
    requests, clock = broker.name("requests"), FakeClock()
    fill(broker, requests, [EMAIL])
    subject = Subject({"email": EMAIL}, Redaction({}, b""))
    kafka = KafkaTopics(broker.url(), [requests].__contains__, frozenset([requests]), clock)
    seen = []
    for some in kafka.look(subject, delete=False):
        seen.append(some.found)
        clock.sleep(3600.0)
    assert seen == [1]
    kafka.close()


def test_doing_what_it_says_deletes_them(real_broker: Broker, tmp_path: Path) -> None:
    topic = real_broker.name("requests")
    fill(real_broker, topic, [OTHER, EMAIL, OTHER, EMAIL, OTHER])
    done = forgotten(real_broker, [topic], tmp_path)
    assert (done.deleted, list(done.left.values()), done.done) == ({}, [2], False)
    stays, sooner = done.hints
    assert stays.startswith(f"topic {topic}: 2 records, the newest of 20")
    assert stays.endswith("Kafka deletes a segment when all of it is 7 days old (retention.ms)")
    assert EMAIL not in stays + sooner
    command, _, file = sooner.partition(" --offset-json-file FILE, where FILE has ")
    assert command.endswith(f"kafka-delete-records.sh --bootstrap-server {real_broker.brokers}")
    told = json.loads(file)
    [place] = told["partitions"]
    assert (place, told["version"]) == ({"topic": topic, "partition": 0, "offset": 4}, 1)
    admin = AdminClient({"bootstrap.servers": real_broker.brokers})
    [deleted] = admin.delete_records([TopicPartition(topic, 0, place["offset"])]).values()
    assert deleted.result().low_watermark == 4
    done = forgotten(real_broker, [topic], tmp_path)
    assert (done.left, done.hints, done.done) == ({}, [], True)


def test_a_compacted_topic_and_one_that_keeps_all(real_broker: Broker, tmp_path: Path) -> None:
    admin = AdminClient({"bootstrap.servers": real_broker.brokers})
    compacted, kept = real_broker.name("compacted"), real_broker.name("kept")
    made = admin.create_topics([
        NewTopic(compacted, 1, config={"cleanup.policy": "compact"}),
        NewTopic(kept, 1, config={"retention.ms": "-1"}),
    ])  # fmt: skip
    for future in made.values():
        future.result()
    fill(real_broker, compacted, [EMAIL])
    fill(real_broker, kept, [EMAIL])
    first, second, sooner = forgotten(real_broker, [compacted, kept], tmp_path).hints
    assert first.endswith("it is compacted: write each of their keys once more, with a null value")
    assert second.endswith("it keeps records for ever (retention.ms)")
    assert kept in sooner
    assert compacted not in sooner


def test_what_a_transaction_gave_up_is_there_too(real_broker: Broker, tmp_path: Path) -> None:
    topic = real_broker.name("given-up")
    fill(real_broker, topic, [OTHER])
    name = real_broker.name("tx")
    producer = Producer({"bootstrap.servers": real_broker.brokers, "transactional.id": name})
    producer.init_transactions(10)
    producer.begin_transaction()
    producer.produce(topic, orjson.dumps({"email": EMAIL}))
    producer.flush(10)
    producer.abort_transaction(10)
    assert list(forgotten(real_broker, [topic], tmp_path).left.values()) == [1]


def test_the_command(
    real_broker: Broker,
    shop: Tiny,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    topic = real_broker.name("asked")
    shop.edit("features.yaml", "entities:", "  email: {type: string}\nentities:")
    text = f"      stream: {{requests: {topic}}}\n      training: tinyshop.binary"
    shop.edit("graphs/binary/graph.yaml", "      training: tinyshop.binary", text)
    for name, value in {**environ(shop), "SLUICE_STREAM": real_broker.url()}.items():
        monkeypatch.setenv(name, value)
    fill(real_broker, topic, [OTHER])
    assert main(["forget", "binary", f"email={EMAIL}"]) == 0
    assert "nothing is left" in capsys.readouterr().out
    fill(real_broker, topic, [EMAIL], at=1)
    assert main(["forget", "binary", f"email={EMAIL}"]) == 1
    told = capsys.readouterr().out
    assert f"left are 1 records of Kafka kafka://{real_broker.brokers}\n    topic {topic}" in told
    assert "kafka-delete-records" in told
    assert main(["forget", "binary", f"email={EMAIL}", "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["hints"]
