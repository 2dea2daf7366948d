"""Runs in an environment that has kserve: its inference client, with JSON and with bytes.

kserve_client.py URL MODEL < {"name": {"datatype", "values"}}, out comes one reply per way.
"""

import asyncio
import json
import sys
from typing import Any

import numpy as np
from kserve import (  # type: ignore[import-not-found, unused-ignore]
    InferenceRESTClient,
    InferInput,
    InferRequest,
    RESTConfig,
)

DTYPES = {"INT64": np.int64, "FP64": np.float64, "BYTES": np.object_}


def request(model: str, columns: dict[str, Any], binary: bool) -> Any:
    inputs = []
    for name, column in columns.items():
        values = np.array(column["values"], DTYPES[column["datatype"]])
        made = InferInput(name, list(values.shape), column["datatype"])
        made.set_data_from_numpy(values, binary_data=binary)
        inputs.append(made)
    parameters = {"binary_data_output": binary}
    return InferRequest(model, inputs, request_id="from-kserve", parameters=parameters)


async def main(url: str, model: str) -> None:
    client = InferenceRESTClient(RESTConfig(protocol="v2"))
    assert await client.is_server_live(url)
    assert await client.is_server_ready(url)
    assert await client.is_model_ready(url, model)
    columns = json.load(sys.stdin)
    for binary in (False, True):
        reply = await client.infer(url, request(model, columns, binary), model_name=model)
        outputs = {output.name: output.as_numpy().tolist() for output in reply.outputs}
        sys.stdout.write(json.dumps({"id": reply.id, "outputs": outputs}) + "\n")


asyncio.run(main(*sys.argv[1:]))
