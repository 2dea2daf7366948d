"""Writes message-2.json: a message between two steps, as the Sluice before format 3 wrote it.

git worktree add --detach OLD 0723507
PYTHONPATH=OLD python tests/golden/make_message.py OUT.json
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np

from sluice.codec import encode
from sluice.errors import RecordError
from sluice.message import Message

RECORDS = [{"city": "Aden", "amount": 900.5}, {"city": None, "amount": 12}, {"amount": "twelve"}]


def message() -> Message:
    made = Message(RECORDS, "order-1", 1_704_067_200.5)
    made.columns = ["city", "weather.temp"]
    made.rows = [0, 1]
    made.values = [["Aden", 10.5], [None, math.nan]]
    made.as_of = [1_704_067_200.5, math.inf]
    made.ages = [{"weather": 60.0}, {}]
    made.defaults = [{}, {"weather.temp": "stale"}]
    made.unknown = {"digest": [(1, "city")]}
    made.tensors = {"digest": {"features": np.array([[1, 10.5], [0, math.nan]], np.float32)}}
    made.scores = [np.array([0.25, 0.75]), np.array([0.5, 0.5])]
    made.outputs = [{"probability": 0.75}, {"probability": 0.5}]
    made.errors = {2: RecordError("amount", "expected a number", 2)}
    made.timings = {"enrich": 12.5}
    return made


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(encode(message()))
