"""Exact: each column as it came, for a model of the user's own that makes its own matrix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from sluice.schema import Column
from sluice.transform.inputs import Inputs


class Exact(Inputs):
    """One tensor [n, 1] per column: numbers as float64 (NaN where there is none), text as objects
    (None where there is none).

    For MLRun's model servers (models/formats/served.py), whose own code sees what a caller sent,
    not what float32 makes of it.
    """

    kind = "exact"

    def fit(self, table: Mapping[str, Column]) -> Exact:
        """Learn which columns are text; `table` has columns of [n]."""
        self.text = self.texts_of(table)
        return self

    def _tensor(self, name: str, values: list[Any]) -> npt.NDArray[Any]:
        return np.array(values, object if name in self.text else np.float64).reshape(-1, 1)
