"""KServe: a custom model behind its V1 protocol, two worker processes."""

from __future__ import annotations

import sys
from typing import Any

from kserve import Model, ModelServer
from kserve.protocol.rest.multiprocess.server import RESTServerProcess

from bench.flights import Flights
from bench.work import WORKERS


class Predict(Model):
    """Answers the records of a request."""

    def __init__(self) -> None:
        super().__init__("flights")
        self.load()

    def load(self) -> bool:
        self.flights = Flights()
        self.ready = True
        return self.ready

    async def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        return {"predictions": [self.flights(record) for record in payload["instances"]]}


if __name__ == "__main__":
    port = int(sys.argv[sys.argv.index("--port") + 1])
    # It kills a worker that gives no sign for 5 s, which is less than one takes here to begin.
    RESTServerProcess.is_alive.__defaults__ = (60.0,)
    server = ModelServer(
        http_port=port, workers=WORKERS, enable_grpc=False, enable_docs_url=False,
        access_log_format=None,
    )  # fmt: skip
    server.start([Predict()])
