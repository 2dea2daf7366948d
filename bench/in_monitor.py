"""The monitor in a process of its own: `python -m bench.in_monitor`.

It reads a number of requests a line on standard input and answers so many in process: their events
go onto the embedded log, which is not measured. It counts them, sends a label for each, counts
those, and answers with a line of JSON:

    count, cpu_us and wall_us per event; joined, label_us: labels, and the CPU time of one
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from bench import work
from bench.prepare import GRAPH, bench_project
from sluice.message import Message as Asked
from sluice.project import Project
from sluice.service import Service
from sluice.stores import event_stream
from sluice.streaming.open import settle
from sluice.streams import Consumer, Message
from sluice.windows.monitor import Monitor
from sluice.windows.open import opened
from sluice.windows.windows import Windows

STATE = work.FOLDER / "monitor"


def monitored() -> Project:
    """The bench's project, with events and windows in a folder of their own."""
    project = bench_project()
    models, features = project.path("", "models"), project.path("", "features")
    settings = dataclasses.replace(
        project.settings, state=str(STATE), models=models, features=features
    )
    return dataclasses.replace(project, settings=settings)


def fill(project: Project, records: Iterator[dict[str, Any]], count: int) -> list[str]:
    """Answer requests; their ids."""
    ids = [os.urandom(16).hex() for _ in range(count)]
    with Service.open(project, GRAPH) as service:
        assert service.application.emitter is not None
        service.application.emitter.widen(count)
        for id in ids:
            service.run(Asked([next(records)], id))
    return ids


def tell(project: Project, ids: Sequence[str]) -> None:
    """Send labels."""
    now = datetime.fromtimestamp(time.time(), UTC).isoformat()
    entry = {"format": 1, "record": 0, "when": now, "received": now}
    labels = [Message(json.dumps({**entry, "id": id, "label": 1}).encode(), id) for id in ids]
    stream = event_stream(project)
    stream.producer(durable=False).produce_many(f"{project.name}.{GRAPH}.feedback", labels)
    stream.close()


def work_off(monitor: Monitor, consumer: Consumer) -> tuple[float, float]:
    """Count what is on the topics: CPU and wall time, seconds."""
    began, used = time.perf_counter(), time.process_time()
    while records := consumer.poll(5000, 0.0):
        monitor.take(records)
        consumer.commit(records)
    return time.process_time() - used, time.perf_counter() - began


def answer(project: Project, records: Iterator[dict[str, Any]], count: int) -> dict[str, float]:
    """Measure once."""
    ids = fill(project, records, count)
    with opened(project, GRAPH) as (monitor, join, _):
        consumer, before = join(), _counters(project)
        settle()
        cpu, wall = work_off(monitor, consumer)
        tell(project, ids)
        labels, _ = work_off(monitor, consumer)
        consumer.close()
    found = _counters(project)
    events, joined = (found[n] - before.get(n, 0) for n in ("events", "labels_joined"))
    return {
        "count": events,
        "cpu_us": cpu / events * 1e6,
        "wall_us": wall / events * 1e6,
        "joined": joined,
        "label_us": labels / joined * 1e6,
    }


def _counters(project: Project) -> dict[str, int]:
    with Windows.open(project, GRAPH) as windows:
        return windows.counters()


def main(lines: Sequence[str] | Iterator[str]) -> None:
    """Answer each line."""
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # libraries may print what they like
    shutil.rmtree(STATE, ignore_errors=True)
    records, project = itertools.cycle(json.loads(work.RECORDS.read_bytes())), monitored()
    for line in lines:
        out.write(json.dumps(answer(project, records, int(line))) + "\n")


if __name__ == "__main__":
    main(sys.stdin)
