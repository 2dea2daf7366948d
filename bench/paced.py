"""Requests at an even pace, in process: between them a core is idle."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from sluice.message import Message
from sluice.service import Service

PER_SECOND = 500  # requests
SLICE_S = 0.5
_PAUSE_S = 0.15  # after a pause nobody has work of the slice before


def slice_us(service: Service, records: Sequence[Any], number: int = 0) -> list[float]:
    """What each request of a slice took, µs; the records of slice `number` follow those before."""
    time.sleep(_PAUSE_S)
    count, taken, due = int(PER_SECOND * SLICE_S), [], time.perf_counter()
    for place in range(number * count, (number + 1) * count):
        due += 1 / PER_SECOND
        time.sleep(max(0.0, due - time.perf_counter()))
        message = Message([records[place % len(records)]])
        began = time.perf_counter()
        service.run(message)
        taken.append((time.perf_counter() - began) * 1e6)
    return taken
