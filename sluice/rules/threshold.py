"""The label of a probability."""

from __future__ import annotations

import numpy as np

from sluice.coded import Coded
from sluice.rules.parameter import number
from sluice.rules.rule import Columns, Output, OutputRule, Row


class Threshold(OutputRule):
    """The second class where its probability is at least `at`, else the first.

    When to use it: binary classification whose errors do not cost the same. Other outputs are
    left as they are.

    Args:
        at: a probability, 0 to 1.
    """

    rule = "threshold"

    def __init__(self, at: float) -> None:
        self.at = number("at", at, 0, 1)

    def apply(self, output: Output, row: Row) -> None:
        if "probability" in output:
            output["label"] = row.version.manifest.classes[output["probability"] >= self.at]

    def apply_table(self, outputs: Columns, rows: Row) -> bool:
        if "probability" in outputs:
            second = (outputs["probability"] >= self.at).astype(np.int32)
            outputs["label"] = Coded(second, rows.version.manifest.classes)
        return True
