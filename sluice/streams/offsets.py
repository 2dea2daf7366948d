"""Where records begin and end in their partitions, as offsets that a group commits."""

from __future__ import annotations

from collections.abc import Sequence

from sluice.streams.stream import Partition, Record


def reach(records: Sequence[Record]) -> dict[Partition, range]:
    """Per partition the offsets from the first to the last record, in whatever order they are."""
    found: dict[Partition, list[int]] = {}
    for record in records:
        found.setdefault(record[:2], []).append(record[2])
    return {place: range(min(offsets), max(offsets) + 1) for place, offsets in found.items()}


def starts(records: Sequence[Record]) -> dict[Partition, int]:
    """Per partition the offset of the first of the records."""
    return {place: offsets.start for place, offsets in reach(records).items()}


def ends(records: Sequence[Record]) -> dict[Partition, int]:
    """Per partition the offset after the last of the records."""
    return {place: offsets.stop for place, offsets in reach(records).items()}
