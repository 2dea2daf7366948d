"""Where records begin and end in their partitions, as offsets that a group commits."""

from __future__ import annotations

from collections.abc import Sequence

from sluice.streams.stream import Partition, Record


def starts(records: Sequence[Record]) -> dict[Partition, int]:
    """Per partition the offset of the first of the records, in whatever order they are."""
    found: dict[Partition, int] = {}
    for record in records:
        place = record.topic, record.partition
        found[place] = min(found.get(place, record.offset), record.offset)
    return found


def ends(records: Sequence[Record]) -> dict[Partition, int]:
    """Per partition the offset after the last of the records."""
    found: dict[Partition, int] = {}
    for record in records:
        place = record.topic, record.partition
        found[place] = max(found.get(place, 0), record.offset + 1)
    return found
