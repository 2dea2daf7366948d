"""What one poll of the embedded log reads: blocks as far as there is room for their records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sluice.streams.block import Block, blocks
from sluice.streams.layout import Topic, Txn, get_state
from sluice.streams.stream import Partition, Record


class Batch:
    """Records, where each partition stands after them, and how many were lost before them.

    Args:
        positions: the offset to read next, for each partition that is ours.
        rests: what the last poll had read of a block and did not deliver.

    Attributes:
        passed: by topic, partition and offset of a record that was forgotten, where it goes on.
    """

    def __init__(
        self, positions: Mapping[Partition, int], rests: Mapping[Partition, Block]
    ) -> None:
        self.records: list[Record] = []
        self.positions = dict(positions)
        self.rests = {place: rest for place, rest in rests.items() if place in positions}
        self.lost = 0
        self.passed: dict[tuple[str, int, int], int] = {}

    def fill(self, txn: Txn, topic: Topic, place: Partition, max_records: int) -> None:
        """Add records of a partition, until there are `max_records` of all."""
        state = get_state(txn, topic, place[1])
        lost = max(0, state.first - self.positions[place])
        self.positions[place] += lost
        self.lost += lost
        room = max_records - len(self.records)
        for block in self._blocks(txn, topic, place, state.next):
            room -= self._add(block, place, room)
            if not room:
                break

    def _blocks(self, txn: Txn, topic: Topic, place: Partition, end: int) -> Iterator[Block]:
        """What is in a partition from where we are to its end, first what was read before."""
        position, rest = self.positions[place], self.rests.pop(place, None)
        if rest is not None and rest.first == position:
            yield rest
            position += len(rest.rows)
        if position < end:
            yield from blocks(txn, topic, place[1], position)

    def _add(self, block: Block, place: Partition, room: int) -> int:
        """Take of a block what there is room for; how many records that is."""
        records = block.records(place, room)
        taken = min(room, len(block.rows))
        if len(records) < taken:
            self._pass_over(block, place, taken, {record.offset for record in records})
        self.records += records
        self.positions[place] += taken
        if taken < len(block.rows):
            self.rests[place] = block.since(block.first + taken)
        return taken

    def _pass_over(self, block: Block, place: Partition, taken: int, there: set[int]) -> None:
        """Note behind which offsets records were forgotten, and where it goes on."""
        after = block.first + taken
        for offset in range(after - 1, block.first - 1, -1):
            if offset in there:
                after = offset
            else:
                self.passed[*place, offset] = after
