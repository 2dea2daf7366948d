"""What OpenTelemetry costs a request: `python -m bench.in_telemetry [ROUNDS]`.

Requests of one record go through the graph in process, by the tracer that `predict` goes by. A
collector in a process of its own takes what is sent. Off and on take turns, a few thousand
requests each, and a turn ends when all that it has put in is sent: its figure is the CPU time of
all threads of this process. The answer is a line of JSON with medians, µs a request:

    off_us        no collector is named
    none_us, tenth_us, all_us   with one: none, a tenth and all of the requests are sampled
    dropped       requests whose spans were not sent, of all turns; there should be none
"""

from __future__ import annotations

import gc
import itertools
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from statistics import median
from typing import Any

from bench import work
from bench.prepare import prepare
from bench.service import open_service
from sluice.message import Message
from sluice.service import Service

TURN = 3000  # requests
KINDS = {"off": ("", 0.0), "none": ("on", 0.0), "tenth": ("on", 0.1), "all": ("on", 1.0)}
_TICK_S = 0.02


class _Taker(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is logged."""


def collect(told: Any) -> None:
    """Take posts on a free port, which is told first."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Taker)
    told.put(server.server_port)
    server.serve_forever()


def turn(service: Service, records: Iterator[Any]) -> float:
    """CPU of a request, µs."""
    telemetry = service.application.telemetry
    began = time.process_time()
    for _ in range(TURN):
        message = Message.of(next(records))
        if telemetry is None:
            service.run(message)
        else:
            telemetry.tracer.called(service.run, message)
    while telemetry is not None and telemetry.tracer.outbox.waiting:
        time.sleep(_TICK_S)
    return (time.process_time() - began) / TURN * 1e6


def measure(url: str, rounds: int) -> dict[str, float]:
    """The medians over rounds."""
    found: dict[str, list[float]] = {kind: [] for kind in KINDS}
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        services = {}
        for kind, (on, ratio) in KINDS.items():
            given = {"otlp": url if on else "", "otlp_ratio": ratio, "events": f"{folder}/{kind}"}
            services[kind] = stack.enter_context(open_service({}, **given))
        records = itertools.cycle(json.loads(work.RECORDS.read_bytes())[:500])
        gc.collect()
        gc.freeze()  # as a worker does
        for number in range(rounds + 1):
            for kind in sorted(KINDS, reverse=bool(number % 2)):
                cost = turn(services[kind], records)
                if number:  # the first warms up
                    found[kind].append(cost)
        traced = [s.application.telemetry for s in services.values() if s.application.telemetry]
        dropped = sum(telemetry.tracer.outbox.dropped.total() for telemetry in traced)
    return {**{f"{kind}_us": median(costs) for kind, costs in found.items()}, "dropped": dropped}


def main(rounds: int) -> None:
    """Measure beside a collector."""
    prepare()
    context = multiprocessing.get_context("spawn")
    told = context.Queue()
    collector = context.Process(target=collect, args=(told,), daemon=True)
    collector.start()
    try:
        print(json.dumps(measure(f"http://127.0.0.1:{told.get()}", rounds)))  # noqa: T201 (the answer)
    finally:
        collector.terminate()
        collector.join()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
