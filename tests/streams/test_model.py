"""Whatever is produced, polled and committed: the log does what a few lists would do."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sluice.streams import Consumer, Message, Record, open_stream, partition_of

GROUPS = ("one", "two")
PARTITIONS = 3
TOPIC = "t"

keys = st.none() | st.sampled_from(["a", "b", "c", "d", "ä"])
messages = st.builds(
    Message,
    st.binary(max_size=40) | st.just(b"x" * 5000),
    keys,
    st.dictionaries(st.sampled_from(["ce_id", "ce_type"]), st.text("xyz", max_size=3)),
)


class LogIsLists(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.written: list[list[Message]] = [[] for _ in range(PARTITIONS)]
        # Where each member reads on; None until its first poll, which begins where is committed.
        self.position: dict[str, list[int] | None] = dict.fromkeys(GROUPS)
        self.committed = {group: [0] * PARTITIONS for group in GROUPS}
        self.delivered: dict[str, list[Record]] = {group: [] for group in GROUPS}
        self.consumers: dict[str, Consumer] = {}

    @initialize()
    def open(self) -> None:
        self.stream = open_stream(f"log://{self.folder}/s.log", partitions=PARTITIONS)
        for group in GROUPS:
            self.consumers[group] = self.stream.consumer(group, [TOPIC])

    @rule(batch=st.lists(messages, max_size=6))
    def produce(self, batch: list[Message]) -> None:
        places = self.stream.producer(durable=False).produce_many(TOPIC, batch)
        for message, (partition, offset) in zip(batch, places, strict=True):
            if message.key is None:
                assert len(self.written[partition]) == min(map(len, self.written))
            else:
                assert partition == partition_of(message.key, PARTITIONS)
            assert offset == len(self.written[partition])
            self.written[partition].append(message)

    @rule(group=st.sampled_from(GROUPS), limit=st.integers(1, 8))
    def poll(self, group: str, limit: int) -> None:
        records = self.consumers[group].poll(limit, timeout_s=0)
        position = self.position[group] or list(self.committed[group])
        waiting = sum(map(len, self.written)) - sum(position)
        assert len(records) == min(limit, waiting)
        for record in records:
            assert record.offset == position[record.partition]
            message = self.written[record.partition][record.offset]
            assert (record.value, record.key, record.headers) == message
            position[record.partition] += 1
        self.delivered[group] += records
        self.position[group] = position if any(self.written) else None

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
        if not any(self.written):
            return
        offset = data.draw(st.integers(0, len(self.written[partition])))
        self.consumers[group].commit({(TOPIC, partition): offset})
        self.committed[group][partition] = offset

    @rule(group=st.sampled_from(GROUPS))
    def rejoin(self, group: str) -> None:
        self.consumers[group].close()
        self.consumers[group] = self.stream.consumer(group, [TOPIC])
        self.position[group] = None
        self.delivered[group] = []

    @rule()
    def reopen(self) -> None:
        for consumer in self.consumers.values():
            consumer.close()
        self.stream.close()
        self.open()
        for group in GROUPS:
            self.position[group] = None
            self.delivered[group] = []

    @invariant()
    def offsets_agree(self) -> None:
        if not any(self.written):
            return
        bounds = {p: (0, len(written)) for p, written in enumerate(self.written)}
        assert self.stream.bounds(TOPIC) == bounds
        for group in GROUPS:
            committed = self.consumers[group].committed()
            expected = self.committed[group]
            assert [committed.get((TOPIC, p), 0) for p in range(PARTITIONS)] == expected

    def teardown(self) -> None:
        if hasattr(self, "stream"):
            self.stream.close()
        shutil.rmtree(self.folder)


TestLogIsLists = LogIsLists.TestCase
TestLogIsLists.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
