"""Malformed bodies against the whole graph: each gets its status, none is ours. See MALFORMED."""

from __future__ import annotations

import http.client
import json
import os
import random
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.host.running import commanded
from tests.tiny import ORDER, Tiny

MALFORMED = int(os.environ.get("MALFORMED", "500"))
PATHS = ("/", "/v2/models/binary/infer", "/v2/models/binary/versions/champion/infer")
VALUES: list[Any] = [
    None, True, -1, 0, 1e30, 10**400, "", "\x00", "9" * 5000, [], [[]], {}, {"a": []}, "NaN",
    {"inputs": [{"name": "city", "shape": [1], "datatype": "BYTES", "data": ["Bonn"]}]},
    {"inputs": [{"name": "visits", "shape": [-1], "datatype": "INT64", "data": "x"}]},
    {"inputs": [[1, 2, 3]]}, {"inputs": 3}, {"inputs": [{}]},
]  # fmt: skip


def body(rng: random.Random, record: dict[str, Any]) -> bytes:
    """A body in which something is most likely not as it should be."""
    field = rng.choice([*record, "more"])
    broken = record | {field: rng.choice(VALUES)}
    text = json.dumps(rng.choice([broken, [broken, record], {"inputs": [broken]}])).encode()
    at = rng.randrange(len(text))
    return rng.choice([
        text,
        text[:at],
        text[:at] + bytes([rng.randrange(256)]) + text[at + 1 :],
        json.dumps(rng.choice(VALUES)).encode(),
        b"[" * rng.randrange(1, 20_000),
        rng.randbytes(rng.randrange(200)),
    ])  # fmt: skip


def test_malformed_bodies(tiny: Tiny, log: Path) -> None:
    rng = random.Random(4)
    outcomes: Counter[int] = Counter()
    root = str(tiny.root)
    with (
        commanded(
            "serve",
            "binary",
            log=log,
            folder=tiny.root,
            SLUICE_PROJECT=root,
            SLUICE_STATE=".sluice",
        ) as host,
        closing(http.client.HTTPConnection("127.0.0.1", host.port, timeout=20)) as client,
    ):
        for _ in range(MALFORMED):
            data = body(rng, ORDER)
            client.request("POST", rng.choice(PATHS), data, {"Content-Type": "application/json"})
            reply = client.getresponse()
            text = reply.read()
            outcomes[reply.status] += 1
            assert reply.status in {200, 400, 413, 422}, (data, text)
            assert reply.status == 200 or json.loads(text)["error"]
        assert host.ask("/", json.dumps(ORDER).encode()).status == 200
        assert len(host.said("worker ready")) == 2, "no worker was lost"
    assert outcomes[400] > MALFORMED / 10
