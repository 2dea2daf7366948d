"""Transactions by a journal: whatever fails at whatever moment, all of one is there or nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import count

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.errors import StoreUnavailable
from sluice.features.journal import LAST_S, TAKEOVER_S, Journalled, Write
from sluice.features.remote import RemoteStore, Time
from sluice.features.shelves import STATES, Head, Item, Range
from sluice.features.store import Layout, Row, Rows

GRAPH = ("project", "graph")
LAYOUT = Layout("weather", "s", "time", (("key", "string"),), (("temp", "number"),))


class Stopped(BaseException):
    """The process was killed."""


class Memory:
    """Items in memory, with faults: by the number of a call what becomes of it.

    lost: it is carried out and its answer is lost; refused: it is not carried out; killed before
    or after it.
    """

    piece = 120

    def __init__(self) -> None:
        self.items: dict[bytes, dict[bytes, bytes]] = defaultdict(dict)  # by shelf and place
        self.stored = Head()
        self.now = 0.0
        self.faults: dict[int, str] = {}
        self.calls: Iterator[int] = count()
        self.ends: list[float] = []

    @property
    def clock(self) -> Time:
        return Time(lambda: self.now, self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.now += seconds

    def _before(self) -> str:
        fault = self.faults.get(next(self.calls), "")
        if fault == "killed before":
            raise Stopped
        if fault == "refused":
            raise StoreUnavailable("refused")
        return fault

    def _after(self, fault: str) -> None:
        if fault == "killed after":
            raise Stopped
        if fault == "lost":
            raise StoreUnavailable("lost")

    def read_head(self) -> Head:
        fault = self._before()
        self._after(fault)
        return self.stored

    def swap(self, head: Head, new: Head) -> bool:
        fault = self._before()
        done = self.stored == head
        if done:
            self.stored = new
        self._after(fault)
        return done

    def ranges(self, asked: Sequence[Range]) -> list[list[Item]]:
        fault = self._before()
        found = [
            [Item(at, v) for at, v in sorted(self.items[a.shelf].items()) if a.holds(at)][: a.limit]
            for a in asked
        ]  # fmt: skip
        self._after(fault)
        return found

    def write(self, writes: Sequence[Write], end: float) -> None:
        self.ends.append(end - self.now)
        for shelf, at, value in writes:
            fault = self._before()
            if value is None:
                self.items[shelf].pop(at, None)
            else:
                self.items[shelf][at] = value
            self._after(fault)

    def at_once(self, head: Head, new: Head, writes: Sequence[Write]) -> bool | None:
        return None if writes else self.swap(head, new)

    def close(self) -> None:
        """Nothing is held."""


def opened(memory: Memory) -> RemoteStore:
    return RemoteStore(Journalled(memory, memory.clock), GRAPH, memory.clock, seed=1)


def count_up(rows: Rows) -> int:
    """Nine states that are always equal."""
    counts = {rows.state(b"%d" % n) for n in range(9)}
    assert len(counts) == 1
    number = int(counts.pop() or b"0") + 1
    for n in range(9):
        rows.keep(b"%d" % n, b"%d" % number)
    return number


def counts_of(memory: Memory) -> set[bytes | None]:
    return {memory.items[STATES].get(b"%d" % n) for n in range(9)}


def journals(memory: Memory) -> list[bytes]:
    """The shelves of journals that are there."""
    return [shelf for shelf, items in memory.items.items() if items and shelf.startswith(b"j")]


FAULTS = st.dictionaries(
    st.integers(0, 200),
    st.sampled_from(["lost", "refused", "killed before", "killed after"]),
    max_size=6,
)


@given(faults=FAULTS)
@settings(max_examples=300, deadline=None)
def test_each_transaction_is_done_once_whatever_fails(faults: dict[int, str]) -> None:
    memory = Memory()
    memory.faults = faults
    told = unknown = 0
    for _ in range(8):
        store = opened(memory)
        try:
            number = store.update(count_up)
        except (StoreUnavailable, Stopped):
            unknown += 1  # it is done, or will be, or not
        else:
            told += 1
            assert told <= number <= told + unknown
    memory.faults = {}
    number = opened(memory).update(count_up)
    assert told + 1 <= number <= told + 1 + unknown
    assert counts_of(memory) == {b"%d" % number}


@pytest.mark.parametrize("call", range(60))
def test_a_lost_answer_is_found_out(call: int) -> None:
    memory = Memory()
    assert opened(memory).update(count_up) == 1
    memory.calls, memory.faults = count(), {call: "lost"}
    try:
        number = opened(memory).update(count_up)
    except StoreUnavailable:
        number = 2
    assert number == 2
    memory.faults = {}
    assert opened(memory).update(count_up) in (2, 3)
    assert len(counts_of(memory)) == 1


def test_what_a_killed_writer_left_is_finished_by_the_next() -> None:
    memory = Memory()
    opened(memory).update(count_up)
    calls = 0
    while not memory.stored.pending:  # until it is killed in the midst of writing out
        memory.calls, memory.faults = count(), {calls: "killed after"}
        with pytest.raises(Stopped):
            opened(memory).update(count_up)
        calls += 1
    before, start = counts_of(memory), memory.now
    memory.faults = {}
    number = opened(memory).update(count_up)
    assert memory.now - start >= TAKEOVER_S
    assert counts_of(memory) == {b"%d" % number} != before
    assert len(journals(memory)) <= calls  # of writers that were killed before they committed


def test_no_journal_is_left_of_what_went_well() -> None:
    memory = Memory()
    for _ in range(3):
        opened(memory).update(count_up)
    assert journals(memory) == []
    assert memory.stored.pending == ""


class Slow(Memory):
    """Takes two seconds for a write of items, however many."""

    def write(self, writes: Sequence[Write], end: float) -> None:
        super().write(writes, end)
        self.now += 2.0


def test_a_writer_that_takes_long_tells_that_it_lives() -> None:
    memory = Slow()
    store = opened(memory)
    rows: list[Row] = [((f"K{n}",), 1.0, [float(n)]) for n in range(2000)]
    before = memory.stored.number
    assert store.put_many(LAYOUT, rows) == 2000
    assert memory.now > 20
    assert memory.stored.number - before > 5
    assert sorted(memory.ends)[0] >= LAST_S - 6  # a beat is never over before it began
    store.publish(LAYOUT)
    assert store.get_many([("weather", ("K7",))], 1.0) == [(1.0, [7.0])]


class Overtaken(Slow):
    """While the first one writes out, another one takes over."""

    taken = False

    def write(self, writes: Sequence[Write], end: float) -> None:
        super().write(writes, end)
        if self.stored.pending and not self.taken:
            self.taken = True
            self.now += TAKEOVER_S
            number = self.stored.number + 1
            self.stored = msgspec.structs.replace(self.stored, number=number, writer="another")


def test_a_writer_that_was_taken_over_stops() -> None:
    memory = Overtaken()
    rows: list[Row] = [((f"K{n}",), 1.0, [float(n)]) for n in range(2000)]
    with pytest.raises(StoreUnavailable, match="another one took over"):
        opened(memory).put_many(LAYOUT, rows)
    store = opened(memory)
    store.publish(LAYOUT)  # waits until the other one's time is over, and finishes
    assert None not in store.get_many([("weather", key) for key, _, _ in rows], 1.0)
