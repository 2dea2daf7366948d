"""One peer in a process of its own, measured without HTTP: `python -m bench.in_process PEER`.

It reads a command a line on standard input and answers each with a line of JSON:

    {"answers": n}     the probabilities of the first n records
    {"seconds": s}     count, median_us, p99_us, cpu_us per request, one after the other for s
    {"steps": n}       what each step of Sluice's graph took over n requests, median µs, and how
                       many monitoring events were dropped until then
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any, Protocol

from bench import work
from bench.numbers import percentile

_AT_ONCE = 250  # arguments that are made ready before the clock starts


class Peer(Protocol):
    """What is measured: the call alone, on what `ready` made of a record. What calls leave to be
    done is done when `rest` returns, as far as the next ones need it; its CPU counts."""

    def ready(self, record: dict[str, Any]) -> Any: ...
    def call(self, argument: Any) -> Any: ...
    def rest(self) -> None: ...
    def probability(self, answer: Any) -> float: ...


class Bare:
    """The function with nothing around it, and our back end."""

    def __init__(self) -> None:
        from bench.backends import our_predict

        self.tables, self.predict = work.read_tables(), our_predict()

    def ready(self, record: dict[str, Any]) -> Any:
        return record

    def call(self, record: Any) -> Any:
        tables, moment = self.tables, work.moment_of(record)
        looked = work.enrich(tables, record, moment)
        return work.answer(self.predict(work.transform(tables, record, looked, moment)))

    def rest(self) -> None:
        """Nothing is left."""

    def probability(self, answer: Any) -> float:
        return float(answer["probability"])


class Sluice:
    """The graph flight-delay, monitoring on."""

    def __init__(self) -> None:
        from bench.prepare import GRAPH, bench_project
        from sluice.message import Message
        from sluice.service import Service

        self.message, service = Message.of, Service.open(bench_project(), GRAPH)
        self.run, self.emitter = service.run, service.application.emitter

    def ready(self, record: dict[str, Any]) -> Any:
        return record

    def call(self, record: Any) -> Any:
        return self.run(self.message(record))

    def rest(self) -> None:
        """Let the thread of the monitoring events have its turn, so that none is dropped."""
        assert self.emitter is not None
        self.emitter.make_room(_AT_ONCE, 10.0)

    def probability(self, answer: Any) -> float:
        return float(answer["outputs"][0]["probability"])

    def steps(self, records: Iterator[dict[str, Any]], count: int) -> dict[str, float]:
        messages = [self.message(next(records)) for _ in range(count)]
        for message in messages:
            self.run(message)
        assert self.emitter is not None
        steps = {f"{n}_us": median(m.timings[n] for m in messages) for n in messages[0].timings}
        return {**steps, "events_dropped": sum(self.emitter.dropped.values())}


class MLRun:
    """The graph of bench/mlrun_graph.py, by MLRun's production handler."""

    def __init__(self) -> None:
        from bench import mlrun_graph

        os.environ.update(SERVING_SPEC_ENV=mlrun_graph.serving_spec(), MLRUN_DBPATH="")
        self.handler, self.context = mlrun_graph.open_handler()
        from mlrun.serving.server import MockEvent

        self.event = MockEvent

    def ready(self, record: dict[str, Any]) -> Any:
        return self.event(record, method="POST", content_type="application/json")

    def call(self, event: Any) -> Any:
        return self.handler(self.context, event)

    def rest(self) -> None:
        """Nothing is left."""

    def probability(self, answer: Any) -> float:
        return float(json.loads(answer.body)["probability"])


PEERS: dict[str, Callable[[], Peer]] = {"bare": Bare, "sluice": Sluice, "mlrun": MLRun}


def measure(
    peer: Peer,
    records: Iterator[dict[str, Any]],
    seconds: float,
    clock: Callable[[], float] = time.perf_counter,
    cpu: Callable[[], float] = time.process_time,
) -> dict[str, float]:
    """Call the peer for so many seconds; `cpu` counts all threads of the process.

    Getting the arguments ready is in none of the figures.
    """
    taken: list[float] = []
    used, end = 0.0, clock() + seconds
    while not taken or clock() < end:
        arguments = [peer.ready(next(records)) for _ in range(_AT_ONCE)]
        before = cpu()
        for argument in arguments:
            start = clock()
            peer.call(argument)
            taken.append(clock() - start)
        peer.rest()
        used += cpu() - before
    return {
        "count": len(taken),
        "median_us": median(taken) * 1e6,
        "p99_us": percentile(taken, 99) * 1e6,
        "cpu_us": used / len(taken) * 1e6,
    }


def _answers(peer: Peer, records: list[dict[str, Any]]) -> list[float]:
    return [peer.probability(peer.call(peer.ready(record))) for record in records]


def main(name: str) -> None:
    """Answer commands until standard input ends."""
    # Libraries may print what they like: only answers go where answers are read.
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    peer, stream = PEERS[name](), json.loads(work.RECORDS.read_bytes())
    records = itertools.cycle(stream)
    for line in sys.stdin:
        command = json.loads(line)
        answer: Any
        if "answers" in command:
            answer = _answers(peer, stream[: command["answers"]])
        elif "steps" in command and isinstance(peer, Sluice):
            answer = peer.steps(records, command["steps"])
        else:
            answer = measure(peer, records, command["seconds"])
        out.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
