"""Messages handed to librdkafka, and waited for until the brokers have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from sluice.streams.kafka_client import TIMEOUT_S, Client, Handle
from sluice.streams.stream import Message

_WAIT_S = 1.0  # of one look at what was delivered; librdkafka itself gives up on a message


class KafkaProducer:
    """Appends to topics; may be shared by threads."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._producer: Handle[Any] = Handle(
            partial(
                client.producer, enable_idempotence=True, message_timeout_ms=int(TIMEOUT_S * 1000)
            )
        )

    def produce(
        self,
        topic: str,
        value: bytes,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, int]:
        return self.produce_many(topic, [Message(value, key, headers or {})])[0]

    def produce_many(self, topic: str, messages: Sequence[Message]) -> list[tuple[int, int]]:
        """As Producer says; of a failed call, any messages may have been appended.

        Raises:
            TooLarge: a message is larger than the brokers or librdkafka take.
        """
        return self.send([(topic, message) for message in messages])

    def send(self, outputs: Sequence[tuple[str, Message]]) -> list[tuple[int, int]]:
        """Append messages to their topics and wait; the (partition, offset) of each."""
        for topic in {topic for topic, _ in outputs}:
            self._client.make(topic)
        producer: Producer = self._producer.get()
        try:
            return send(producer, outputs)
        except KafkaException as error:
            if error.args[0].fatal() or error.args[0].code() == KafkaError._FATAL:
                self._producer.take()  # of no use any more
            raise self._client.error(error.args[0]) from None

    def close(self) -> None:
        self._producer.take()


def send(producer: Producer, outputs: Sequence[tuple[str, Message]]) -> list[tuple[int, int]]:
    """Append messages to their topics and wait; the (partition, offset) of each.

    Raises KafkaException with the first failure, once nothing is under way any more.
    """
    sent = _Sent(len(outputs))
    for n, (topic, message) in enumerate(outputs):
        try:
            _hand_over(producer, topic, message, partial(sent.delivered, n))
        except KafkaException as error:
            sent.failed(error.args[0], len(outputs) - n)
            break
    while sent.left:
        producer.poll(_WAIT_S)
    if sent.error is not None:
        raise KafkaException(sent.error)
    return sent.places


class _Sent:
    """Where messages went, as their delivery is reported."""

    def __init__(self, count: int) -> None:
        self.left, self.error = count, None
        self.places = [(-1, -1)] * count

    def delivered(self, n: int, error: KafkaError | None, message: Any) -> None:
        if error is not None:
            self.failed(error, 1)
            return
        self.places[n] = message.partition(), message.offset()
        self.left -= 1

    def failed(self, error: Any, count: int) -> None:
        self.error = self.error or error
        self.left -= count


def _hand_over(producer: Producer, topic: str, message: Message, delivered: Any) -> None:
    value, key, headers = message
    arguments: dict[str, Any] = {"on_delivery": delivered}
    if key is not None:
        arguments["key"] = key.encode()
    if key == "":  # librdkafka would deal it out as if there were none
        arguments["partition"] = 0
    if headers:
        arguments["headers"] = [(name, text.encode()) for name, text in headers.items()]
    while True:
        try:
            producer.produce(topic, value, **arguments)
            return
        except BufferError:  # full: wait for some to go out
            producer.poll(_WAIT_S)
