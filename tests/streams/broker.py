"""A Kafka broker for tests: Apache Kafka's own jars, started in KRaft mode by a fixture.

KAFKA_BROKERS names brokers to use instead. Where neither can be had, it is librdkafka's mock
cluster, which knows no isolation of transactions and no short leases; what needs those takes
`real_broker` and is skipped. The end of a run says which it was.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient

_HERE = Path(__file__).parent
_CACHE = _HERE.parent.parent / "build" / "kafka"
_START_S, _FETCH_S = 30.0, 300.0
# When standard input ends, that is when the run does, whatever has ended it, the broker does.
_GUARD = '"$@" & broker=$!; read -r _; kill -KILL "$broker"; wait "$broker"; rm -r "$0"'
_JAVA = ["-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
controller.listener.names=CONTROLLER
log.dirs={folder}/data
log.segment.bytes=16777216
log.index.size.max.bytes=1048576
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
transaction.abort.timed.out.transaction.cleanup.interval.ms=200
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=100
num.network.threads=2
num.io.threads=2
"""
_LOGGING = """\
rootLogger.level=WARN
rootLogger.appenderRef.out.ref=OUT
appender.out.type=Console
appender.out.name=OUT
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d %p %c %m%n
"""


class Broker:
    """A cluster. `lease_s` is the shortest lease that it takes."""

    def __init__(
        self, brokers: str, kind: str, lease_s: float, make: Callable[[str], object] | None = None
    ) -> None:
        self.brokers, self.kind, self.lease_s = brokers, kind, lease_s
        self.real = make is None
        self._make, self._names = make or (lambda _: None), count()
        self._run = uuid4().hex[:8]

    def url(self, **options: str) -> str:
        """Its address for open_stream."""
        query = "&".join(f"{name}={value}" for name, value in options.items())
        return f"kafka://{self.brokers}" + (f"/?{query}" if query else "")

    def name(self, what: str) -> str:
        """A name that no other test has, of a topic or a group; the mock makes the topic."""
        name = f"sluice-tests.{self._run}.{next(self._names)}.{what}"
        self._make(name)
        return name


_used: list[Broker] = []


@pytest.fixture(scope="session")
def broker() -> Iterator[Broker]:
    """The brokers of KAFKA_BROKERS, else a broker of this run's own, else the mock."""
    with _opened() as found:
        _used.append(found)
        yield found


@pytest.fixture
def real_broker(broker: Broker) -> Broker:
    if not broker.real:
        pytest.skip(f"needs a real broker, not {broker.kind}")
    return broker


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for found in _used:
        terminalreporter.write_line(f"Kafka: {found.kind}")


@contextmanager
def _opened() -> Iterator[Broker]:
    named = os.environ.get("KAFKA_BROKERS", "")
    if named:
        yield Broker(named, f"the brokers that KAFKA_BROKERS names ({named})", 6.0)
        return
    version = (_HERE / "broker.xml").read_text("utf-8").split("<version>")[1].split("<")[0]
    try:
        jars = _jars(version)
    except (OSError, subprocess.SubprocessError) as error:
        why = f"Apache Kafka {version} could not be had: {error}"
        mock = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "log_level": 3})
        nodes = mock.list_topics(timeout=10).brokers.values()
        yield Broker(
            ",".join(f"{node.host}:{node.port}" for node in nodes),
            f"librdkafka's mock cluster, no real broker ({why})",
            10.0,
            lambda name: mock.list_topics(name, timeout=10),
        )
        return
    with _started(jars) as brokers:
        yield Broker(brokers, f"Apache Kafka {version}, from its own jars, in KRaft mode", 1.0)


def _jars(version: str) -> Path:
    """Apache Kafka's jars, fetched with Maven once, and kept."""
    for needed in ("java", "mvn"):
        if shutil.which(needed) is None:
            raise FileNotFoundError(f"no {needed}: apt-get install default-jre-headless maven")
    jars = _CACHE / version
    if not jars.is_dir():
        _CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_CACHE) as folder:
            shutil.copy(_HERE / "broker.xml", Path(folder) / "pom.xml")
            fetch = ["mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=jars"]
            subprocess.run(fetch, cwd=folder, check=True, timeout=_FETCH_S, capture_output=True)
            (Path(folder) / "jars").rename(jars)
    return jars


@contextmanager
def _started(jars: Path) -> Iterator[str]:
    """A broker in a folder of its own; its address."""
    folder = Path(tempfile.mkdtemp(prefix="sluice-kafka-"))
    port, controller = _free_ports(2)
    properties = folder / "server.properties"
    properties.write_text(_PROPERTIES.format(folder=folder, port=port, controller=controller))
    (folder / "log4j2.properties").write_text(_LOGGING)
    java = ["java", *_JAVA, f"-Dlog4j2.configurationFile={folder}/log4j2.properties"]
    java += ["-cp", f"{jars}/*"]
    log = folder / "log"
    with log.open("wb") as out:
        format_ = ["kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c"]
        subprocess.run([*java, *format_, properties], check=True, stdout=out, stderr=out)
        guard = subprocess.Popen(
            ["sh", "-c", _GUARD, str(folder), *java, "kafka.Kafka", str(properties)],
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=out,
            start_new_session=True,  # an interrupt of the run is not one of the broker
        )
    try:
        _wait(f"127.0.0.1:{port}", log)
        yield f"127.0.0.1:{port}"
    finally:
        guard.communicate()


def _wait(brokers: str, log: Path) -> None:
    end = time.monotonic() + _START_S
    quiet = {"log_level": 0, "reconnect.backoff.max.ms": 100}
    admin = AdminClient({"bootstrap.servers": brokers, **quiet})
    while time.monotonic() < end:
        try:
            if admin.list_topics(timeout=0.2).brokers:
                return
        except KafkaException:
            time.sleep(0.05)
    raise AssertionError(f"the broker did not come up:\n{log.read_text('utf-8')}")


def _free_ports(number: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
