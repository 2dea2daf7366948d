"""mosec: a front in Rust, workers in Python behind a socket."""

from __future__ import annotations

from typing import Any

from mosec import Server, Worker

from bench.flights import Flights
from bench.work import WORKERS


class Predict(Worker):
    """Answers one record; mosec itself decodes and encodes JSON."""

    def __init__(self) -> None:
        super().__init__()
        self.flights = Flights()

    def forward(self, data: Any) -> Any:
        return self.flights(data)


if __name__ == "__main__":  # --port is mosec's own option
    server = Server()
    server.append_worker(Predict, num=WORKERS)
    server.run()
