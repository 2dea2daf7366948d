"""A worker with many versions, in a process of its own: `python -m bench.in_density STORE SECONDS`.

All versions of flight-delay in the model store are live, and the champion is asked for so many
seconds of CPU. The answer is a line of JSON:

    versions, transforms    how many it has loaded
    load_s, reload_s        to load all; to load all again when an alias has moved
    private_mb              memory that is this process's alone, 10⁶ bytes
    cpu_us                  of a request for one record, monitoring on
"""

from __future__ import annotations

import gc
import itertools
import json
import re
import sys
import time
from pathlib import Path
from typing import Any

from bench import work
from bench.scale import cpu_us
from bench.service import open_service
from sluice.message import Message
from sluice.service import Service

_ROOM = 9_000  # of the 10,000 events that may wait


def private_mb() -> float:
    """What would be free without this process, 10⁶ bytes."""
    text = Path("/proc/self/smaps_rollup").read_text()
    return sum(map(int, re.findall(r"^Private_\w+:\s+(\d+) kB", text, re.MULTILINE))) * 1024 / 1e6


def _ask(service: Service, record: dict[str, Any]) -> None:
    """One request. Between requests of clients the thread of the monitoring events has its turn; a
    loop alone would fill their buffer, and that would be measured."""
    service.run(Message.of(record))
    emitter = service.application.emitter
    assert emitter is not None
    emitter.make_room(_ROOM, 10.0)


def main(store: str, seconds: float) -> None:
    """Measure once."""
    began = time.perf_counter()
    with open_service({}, models=store, events=f"{store}-events") as service:
        live = service.application.live()
        loaded = time.perf_counter() - began
        gc.collect()
        gc.freeze()  # as a worker does
        records = itertools.cycle(json.loads(work.RECORDS.read_bytes())[:500])
        cpu_us(lambda: _ask(service, next(records)), 0.2)
        cost = cpu_us(lambda: _ask(service, next(records)), seconds)
        gc.collect()
        memory = private_mb()
        began = time.perf_counter()
        service.application.load()
        reloaded = time.perf_counter() - began
    found = {
        "versions": len(live.versions), "transforms": len(live.transforms), "load_s": loaded,
        "reload_s": reloaded, "private_mb": memory, "cpu_us": cost,
    }  # fmt: skip
    print(json.dumps(found))  # noqa: T201 (the answer)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
