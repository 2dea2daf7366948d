"""LitServe: a FastAPI front, workers behind a queue."""

from __future__ import annotations

import sys
from typing import Any

import litserve

from bench.flights import Flights
from bench.work import WORKERS


class Predict(litserve.LitAPI):
    """Answers one record."""

    def setup(self, device: str) -> None:
        self.flights = Flights()

    def predict(self, record: Any) -> Any:
        return self.flights(record)


if __name__ == "__main__":
    server = litserve.LitServer(Predict(), accelerator="cpu", workers_per_device=WORKERS)
    port = int(sys.argv[sys.argv.index("--port") + 1])
    server.run("127.0.0.1", port, log_level="warning", generate_client_file=False)
