"""The label of a probability."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sluice.coded import Coded
from sluice.rules.parameter import number
from sluice.rules.rule import Columns, Output, OutputRule, Row


class Threshold(OutputRule):
    """The second class where its probability is at least `at`, else the first.

    When to use it: binary classification whose errors do not cost the same. Say what they cost, or
    the threshold itself. What pays best for a calibrated probability p is to say the second class
    where p · miss ≥ (1 − p) · false_alarm. Other outputs are left as they are.

    Args:
        at: a probability, 0 to 1.
        costs: in place of it, {miss, false_alarm}: what it costs to say the first class of a
            second, and the second of a first; in any one unit.

    Source: Elkan, The Foundations of Cost-Sensitive Learning, IJCAI 2001, equation 2.
    """

    rule = "threshold"

    def __init__(self, at: float | None = None, costs: Mapping[str, float] | None = None) -> None:
        if (at is None) == (costs is None):
            raise ValueError("at: expected either `at` or `costs`")
        self.at = number("at", at, 0, 1) if costs is None else cheapest(costs)

    def apply(self, output: Output, row: Row) -> None:
        if "probability" in output:
            output["label"] = row.version.manifest.classes[output["probability"] >= self.at]

    def apply_table(self, outputs: Columns, rows: Row) -> bool:
        if "probability" in outputs:
            second = (outputs["probability"] >= self.at).astype(np.int32)
            outputs["label"] = Coded(second, rows.version.manifest.classes)
        return True

    def why(self, before: Output, after: Output, row: Row) -> str:
        if "probability" not in after:
            return "no probability"
        sign = "≥" if after["probability"] >= self.at else "<"
        return f"{after['probability']:.6g} {sign} {self.at:g}"


def cheapest(costs: Mapping[str, float]) -> float:
    """The threshold that costs least for calibrated probabilities. Raises ValueError."""
    if not isinstance(costs, Mapping) or set(costs) != {"miss", "false_alarm"}:
        raise ValueError("costs: expected miss and false_alarm")
    miss, alarm = (number(f"costs.{name}", costs[name], 0) for name in ("miss", "false_alarm"))
    if not miss + alarm:
        raise ValueError("costs: expected one of them above 0")
    return alarm / (miss + alarm)
