"""A Kafka stream's URL, `kafka://host:port[,host:port]/?option=value`, taken apart.

Options are librdkafka's own, by their own names, and two of ours: `transactions` and
`replication`. Values are percent-encoded; a plus is a plus. What may be secret is never shown.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import parse_qsl

from sluice.errors import DeclarationError

_OURS = frozenset({"transactions", "replication"})
# Delivery and the sharing of partitions hang on these: who sets them breaks what is promised.
_FIXED = frozenset({
    "acks", "auto.offset.reset", "bootstrap.servers", "enable.auto.commit",
    "enable.auto.offset.store", "enable.idempotence", "group.id", "group.instance.id",
    "group.protocol", "isolation.level", "max.poll.interval.ms", "metadata.broker.list",
    "partition.assignment.strategy", "partitioner", "request.required.acks", "session.timeout.ms",
    "transactional.id",
})  # fmt: skip
_SECRET = re.compile(r"password|secret|token|jaas|oauthbearer\.config|key\.pem")


class Address(NamedTuple):
    """Where a cluster is, and how it is to be used."""

    place: str  # the URL as errors and logs may show it: without its options
    brokers: str
    options: dict[str, str]  # librdkafka's
    transactions: str | None = None  # prefix of transactional ids; None: at least once
    replication: int = -1  # of topics that are made; -1: as the brokers have it

    def clean(self, text: str) -> str:
        """`text` without the secrets among the options."""
        for name, value in self.options.items():
            if value and _SECRET.search(name):
                text = text.replace(value, "***")
        return text


def read_address(url: str) -> Address:
    """Take a URL apart. Raises DeclarationError, which shows neither options nor a password."""
    rest, _, query = url.removeprefix("kafka://").partition("?")
    brokers, _, path = rest.rpartition("@")[2].partition("/")
    place = f"kafka://{brokers}"
    if "@" in rest:
        hint = "?security.protocol=SASL_SSL&sasl.mechanisms=PLAIN&sasl.username=…&sasl.password=…"
        raise DeclarationError(place, "stream", "a user has no place before the brokers", hint)
    if not all(brokers.split(",")):
        raise DeclarationError(place, "stream", "names no broker", "kafka://host:port[,host:port]")
    if path:
        raise DeclarationError(place, "stream", f"has a path: {path!r}", "topics are named apart")
    options = _options(query, place)
    own = {name: options.pop(name) for name in _OURS & options.keys()}
    if own.get("transactions") == "":
        raise DeclarationError(place, "transactions", "is empty", "a prefix, as ?transactions=shop")
    replication = own.get("replication", "-1")
    if not re.fullmatch(r"-1|[1-9]\d{0,3}", replication):
        hint = "how many brokers keep a topic that is made here"
        raise DeclarationError(place, "replication", "is no whole number above 0", hint)
    return Address(place, brokers, options, own.get("transactions"), int(replication))


def _options(query: str, place: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(query.replace("+", "%2B"), keep_blank_values=True, strict_parsing=True)
    except ValueError as error:
        if query:
            problem = "options are no name=value&name=value"
            raise DeclarationError(place, "stream", problem) from error
        return {}
    for name, _ in pairs:
        if name in _FIXED:
            raise DeclarationError(place, name, "is not for setting: delivery hangs on it")
    return dict(pairs)
