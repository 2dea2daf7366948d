"""Ray Serve: one deployment of two replicas on a cluster of this machine alone."""

from __future__ import annotations

import logging
import os
import signal
import sys
from typing import Any

import ray
from ray import serve
from starlette.responses import JSONResponse

from bench.flights import Flights
from bench.work import WORKERS


class Predict:
    """Answers one record."""

    def __init__(self) -> None:
        self.flights = Flights()

    async def __call__(self, request: Any) -> JSONResponse:
        return JSONResponse(self.flights(await request.json()))


if __name__ == "__main__":
    port = int(sys.argv[sys.argv.index("--port") + 1])
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")  # nobody but this machine can ask it
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray.init(num_cpus=WORKERS, include_dashboard=False, logging_level=logging.WARNING)
    serve.start(
        http_options={"host": "127.0.0.1", "port": port},
        logging_config={"enable_access_log": False},
    )
    predict = serve.deployment(Predict, num_replicas=WORKERS, max_ongoing_requests=100)
    serve.run(predict.bind())
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    serve.shutdown()
    ray.shutdown()
