"""The label of a probability."""

from __future__ import annotations

import numpy as np

from sluice.coded import Coded
from sluice.live import Version
from sluice.rules.rule import Columns, Output, Rule


class Threshold(Rule):
    """The second class where its probability is at least `at`, else the first.

    When to use it: binary classification whose errors do not cost the same. Other outputs are
    left as they are.

    Args:
        at: a probability, 0 to 1.
    """

    rule = "threshold"

    def __init__(self, at: float) -> None:
        if isinstance(at, bool) or not isinstance(at, (int, float)) or not 0 <= at <= 1:
            raise ValueError(f"at: expected a number from 0 to 1, found {at!r}")
        self.at = float(at)

    def apply(self, output: Output, version: Version) -> None:
        if "probability" in output:
            output["label"] = version.manifest.classes[output["probability"] >= self.at]

    def apply_table(self, outputs: Columns, version: Version) -> bool:
        if "probability" in outputs:
            second = (outputs["probability"] >= self.at).astype(np.int32)
            outputs["label"] = Coded(second, version.manifest.classes)
        return True
