"""MLServer: a custom runtime behind the Open Inference Protocol, two worker processes.

A record travels as nine tensors, a field each, or as JSON in a single one, which costs it less.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from mlserver import MLModel, MLServer, ModelSettings, Settings
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse, RequestInput
from mlserver.utils import install_uvloop_event_loop

from bench.flights import Flights
from bench.work import WORKERS


class Predict(MLModel):
    """Answers one record."""

    async def load(self) -> bool:
        self.flights = Flights()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        fields = {tensor.name: _decode(tensor) for tensor in payload.inputs}
        record = json.loads(fields["record"]) if "record" in fields else fields
        answer = json.dumps(self.flights(record))
        output = StringCodec.encode_output("answer", [answer])
        return InferenceResponse(model_name=self.name, outputs=[output])


def _decode(tensor: RequestInput) -> Any:
    codec = StringCodec if tensor.datatype == "BYTES" else NumpyCodec
    return codec.decode_input(tensor)[0]


def settings(port: int) -> Settings:
    """Two workers; no metrics, and gRPC on any port: nobody asks for them."""
    given: dict[str, Any] = {
        "host": "127.0.0.1", "http_port": port, "grpc_port": 0, "metrics_endpoint": None,
        "parallel_workers": WORKERS, "debug": False,
    }  # fmt: skip
    return Settings(**given)


async def main() -> None:
    """What `mlserver start` does."""
    port = int(sys.argv[sys.argv.index("--port") + 1])
    model = ModelSettings(name="flights", implementation="bench.peers.mlserver_app.Predict")
    await MLServer(settings(port)).start([model])


if __name__ == "__main__":
    install_uvloop_event_loop()
    asyncio.run(main())
