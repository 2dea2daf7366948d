"""The monitor in a process of its own: `python -m bench.in_monitor`.

It reads a number of requests a line on standard input, answers so many in process (their events go
onto the embedded log, and none of it is measured), sends a label for every second one, works all of
it off, and answers with a line of JSON:

    count, cpu_us and wall_us per event (labels included), joined (labels)
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
from sluice.streams import Message
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


def fill(project: Project, records: Iterator[dict[str, Any]], count: int) -> None:
    """Answer requests, and send labels."""
    ids = [os.urandom(16).hex() for _ in range(count)]
    with Service.open(project, GRAPH) as service:
        assert service.application.emitter is not None
        service.application.emitter.widen(count)
        for id in ids:
            service.run(Asked([next(records)], id))
    now = datetime.fromtimestamp(time.time(), UTC).isoformat()
    stream = event_stream(project)
    producer = stream.producer(durable=False)
    entry = {"format": 1, "record": 0, "when": now, "received": now}
    labels = [Message(json.dumps({**entry, "id": id, "label": 1}).encode(), id) for id in ids[::2]]
    producer.produce_many(f"{project.name}.{GRAPH}.feedback", labels)
    stream.close()


def count_off(project: Project) -> dict[str, float]:
    """Count what is on the topics."""
    with opened(project, GRAPH) as (monitor, join, _):
        consumer = join()
        before = _counters(project)
        settle()
        began, used = time.perf_counter(), time.process_time()
        while records := consumer.poll(5000, 0.0):
            monitor.take(records)
            consumer.commit(records)
        cpu, wall = time.process_time() - used, time.perf_counter() - began
        consumer.close()
    found = _counters(project)
    count = found["events"] - before.get("events", 0)
    joined = found["labels_joined"] - before.get("labels_joined", 0)
    return {
        "count": count, "cpu_us": cpu / count * 1e6, "wall_us": wall / count * 1e6, "joined": joined
    }  # fmt: skip


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
        fill(project, records, int(line))
        out.write(json.dumps(count_off(project)) + "\n")


if __name__ == "__main__":
    main(sys.stdin)
