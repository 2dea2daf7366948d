"""Whatever is produced, polled, committed and forwarded: the log does what a few lists would do."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sluice.streams import Consumer, Message, Pipe, Record, open_stream, partition_of
from tests.streams import format_1
from tests.streams.fakes import FakeClock

GROUPS = ("one", "two")
PARTITIONS = 3
TOPIC, OUT = "t", "out"
WINDOW_S = 60.0
FOREVER_S = 1e9  # no lease is out in these tests

keys = st.none() | st.sampled_from(["a", "b", "c", "d", "ä"])
messages = st.builds(
    Message,
    st.binary(max_size=40) | st.just(b"x" * 5000),
    keys,
    st.dictionaries(st.sampled_from(["ce_id", "ce_type"]), st.text("xyz", max_size=3)),
)
leftovers = st.lists(st.lists(messages, max_size=4), min_size=PARTITIONS, max_size=PARTITIONS)


class Topic:
    """What a topic has: per partition its messages, and when they were written."""

    def __init__(self) -> None:
        self.written: list[list[tuple[Message, float]]] = [[] for _ in range(PARTITIONS)]

    @property
    def ends(self) -> list[int]:
        return [len(written) for written in self.written]

    def append(self, message: Message, now: float) -> tuple[int, int]:
        """The (partition, offset) that it must get."""
        fewest = self.ends.index(min(self.ends))
        partition = fewest if message.key is None else partition_of(message.key, PARTITIONS)
        self.written[partition].append((message, now))
        return partition, len(self.written[partition]) - 1

    def check(self, records: list[Record], position: list[int]) -> None:
        """Records are what was written, and come in order; the position moves on."""
        for record in records:
            assert record.offset == position[record.partition]
            message, when = self.written[record.partition][record.offset]
            assert (record.value, record.key, record.headers) == message
            assert record.timestamp == when
            position[record.partition] += 1


class LogIsLists(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder, self.clock = Path(tempfile.mkdtemp()), FakeClock()
        self.topic, self.out = Topic(), Topic()
        # Where each member reads on; None until its first poll, which begins where is committed.
        self.position: dict[str, list[int] | None] = dict.fromkeys(GROUPS)
        self.committed = {group: [0] * PARTITIONS for group in GROUPS}
        self.delivered: dict[str, list[Record]] = {group: [] for group in GROUPS}
        self.consumers: dict[str, Consumer] = {}
        # The pipe forwards with a window: when each key was forwarded.
        self.piped = [0] * PARTITIONS
        self.pipe_position: list[int] | None = None
        self.polled: list[Record] = []
        self.forwarded: dict[str, float] = {}
        self.read = [0] * PARTITIONS

    @initialize(old=st.none() | leftovers)
    def begin(self, old: list[list[Message]] | None) -> None:
        if old is not None:
            format_1.write(self.folder / "s.log", TOPIC, old, self.clock.now)
            self.topic.written = [[(message, self.clock.now) for message in part] for part in old]
        self.made = old is not None
        self.open()

    def open(self) -> None:
        url = f"log://{self.folder}/s.log"
        self.stream = open_stream(url, partitions=PARTITIONS, clock=self.clock)
        for group in GROUPS:
            self.consumers[group] = self.consumer(group, TOPIC)
        self.reader = self.consumer("reader", OUT)
        self.pipe = self.new_pipe()

    def consumer(self, group: str, topic: str) -> Consumer:
        return self.stream.consumer(group, [topic], lease_s=FOREVER_S)

    def new_pipe(self) -> Pipe:
        return self.stream.pipe(
            "pipe", [TOPIC], lease_s=FOREVER_S, window_s=WINDOW_S, durable=False
        )

    @rule(seconds=st.sampled_from([0.001, 20.0, 61.0]))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule(batch=st.lists(messages, max_size=6))
    def produce(self, batch: list[Message]) -> None:
        places = self.stream.producer(durable=False).produce_many(TOPIC, batch)
        assert places == [self.topic.append(message, self.clock.now) for message in batch]
        self.made = self.made or bool(batch)

    @rule(group=st.sampled_from(GROUPS), limit=st.integers(1, 8))
    def poll(self, group: str, limit: int) -> None:
        records = self.consumers[group].poll(limit, timeout_s=0)
        position = self.position[group] or list(self.committed[group])
        assert len(records) == min(limit, sum(self.topic.ends) - sum(position))
        self.topic.check(records, position)
        self.delivered[group] += records
        self.position[group] = position if self.made else None

    @rule(limit=st.integers(1, 8))
    def poll_pipe(self, limit: int) -> None:
        records = self.pipe.poll(limit, timeout_s=0)
        position = self.pipe_position or list(self.piped)
        assert len(records) == min(limit, sum(self.topic.ends) - sum(position))
        self.topic.check(records, position)
        self.polled += records
        self.pipe_position = position if self.made else None

    @rule(data=st.data())
    def forward(self, data: st.DataObject) -> None:
        count = data.draw(st.integers(0, len(self.polled)))
        done, self.polled = self.polled[:count], self.polled[count:]
        answers = [Message(b"of " + record.value, record.key) for record in done]
        self.pipe.forward(done, [(OUT, answer) for answer in answers])
        for record, answer in zip(done, answers, strict=True):
            self.piped[record.partition] = record.offset + 1
            since = self.clock.now - self.forwarded.get(answer.key or "", float("-inf"))
            if answer.key is None or since >= WINDOW_S:
                self.out.append(answer, self.clock.now)
                self.forwarded[answer.key or ""] = self.clock.now

    @rule()
    def fail_to_forward(self) -> None:
        outputs = [(OUT, Message(b"", "a")), ("", Message(b""))]
        with pytest.raises(ValueError, match="1 to 200 bytes"):
            self.pipe.forward(self.polled, outputs)
        self.polled, self.pipe_position = [], None

    @rule()
    def read_what_was_forwarded(self) -> None:
        records = self.reader.poll(1000, 0)
        self.out.check(records, self.read)
        assert self.read == self.out.ends

    @rule(group=st.sampled_from(GROUPS), data=st.data())
    def commit(self, group: str, data: st.DataObject) -> None:
        if not self.delivered[group]:
            return
        done = data.draw(st.lists(st.sampled_from(self.delivered[group])))
        self.consumers[group].commit(done)
        for record in done:
            committed = self.committed[group]
            committed[record.partition] = max(committed[record.partition], record.offset + 1)

    @rule(group=st.sampled_from(GROUPS), partition=st.integers(0, PARTITIONS - 1), data=st.data())
    def commit_offsets(self, group: str, partition: int, data: st.DataObject) -> None:
        if not self.made:
            return
        offset = data.draw(st.integers(0, self.topic.ends[partition]))
        self.consumers[group].commit({(TOPIC, partition): offset})
        self.committed[group][partition] = offset

    @rule(group=st.sampled_from(GROUPS))
    def rejoin(self, group: str) -> None:
        self.consumers[group].close()
        self.consumers[group] = self.consumer(group, TOPIC)
        self.position[group] = None
        self.delivered[group] = []

    @rule()
    def replace_pipe(self) -> None:
        self.pipe.close()
        self.pipe = self.new_pipe()
        self.polled, self.pipe_position = [], None

    @rule()
    def reopen(self) -> None:
        for consumer in (*self.consumers.values(), self.reader):
            consumer.close()
        self.pipe.close()
        self.stream.close()
        self.open()
        for group in GROUPS:
            self.position[group] = None
            self.delivered[group] = []
        self.polled, self.pipe_position = [], None
        self.read = [0] * PARTITIONS

    @invariant()
    def offsets_agree(self) -> None:
        if not self.made:
            return
        bounds = {p: (0, end) for p, end in enumerate(self.topic.ends)}
        assert self.stream.bounds(TOPIC) == bounds
        for group in GROUPS:
            committed = self.consumers[group].committed()
            expected = self.committed[group]
            assert [committed.get((TOPIC, p), 0) for p in range(PARTITIONS)] == expected
        if self.pipe_position:
            lag = [self.pipe.lag()[TOPIC, p] for p in range(PARTITIONS)]
            ends = zip(self.topic.ends, self.piped, strict=True)
            assert lag == [end - piped for end, piped in ends]

    def teardown(self) -> None:
        if hasattr(self, "stream"):
            self.stream.close()
        shutil.rmtree(self.folder)


TestLogIsLists = LogIsLists.TestCase
TestLogIsLists.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
