"""The stream pattern in a process of its own: `python -m bench.in_stream`.

It reads a number of requests a line on standard input, puts so many onto the graph's request topic
of the embedded log, works them off, and answers with a line of JSON:

    count, cpu_us per request (all threads of the process), wall_us per request, dead_letters

Putting them there is in none of the figures; predictions and monitoring events are.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence

from bench import work
from bench.prepare import GRAPH, bench_project
from sluice.streaming.open import Opened, opened, settle
from sluice.streams import Message, open_stream

LOG = work.FOLDER / "stream.log"
_AT_ONCE = 1000


def fill(topic: str, values: Iterator[bytes], count: int) -> None:
    """Put requests onto the topic; their ids are their keys."""
    stream = open_stream(str(LOG))
    producer = stream.producer(durable=False)
    for first in range(0, count, _AT_ONCE):
        places = range(first, min(first + _AT_ONCE, count))
        producer.produce_many(topic, [Message(next(values), os.urandom(16).hex()) for _ in places])
    stream.close()


def work_off(work: Opened) -> dict[str, float]:
    """Work off what is on the topic; the worker leaves its group at the end."""
    began, used = time.perf_counter(), time.process_time()
    summary = work.worker.run(work.drained)
    count = summary.answered + summary.dead_letters
    return {
        "count": count,
        "cpu_us": (time.process_time() - used) / count * 1e6,
        "wall_us": (time.perf_counter() - began) / count * 1e6,
        "dead_letters": summary.dead_letters,
    }


def main(lines: Sequence[str] | Iterator[str]) -> None:
    """Answer each line."""
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # libraries may print what they like
    records = [json.dumps(record).encode() for record in json.loads(work.RECORDS.read_bytes())]
    values, project = itertools.cycle(records), bench_project()
    for line in lines:
        with opened(project, GRAPH, str(LOG)) as ready:
            fill(ready.desk.topics.requests, values, int(line))
            settle()
            out.write(json.dumps(work_off(ready)) + "\n")


if __name__ == "__main__":
    main(sys.stdin)
