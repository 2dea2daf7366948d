"""A threshold for each group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sluice.coded import Coded
from sluice.lift import lift
from sluice.rules.parameter import column, number
from sluice.rules.rule import Columns, Output, OutputRule, Row


class GroupThreshold(OutputRule):
    """The second class where its probability is at least its group's threshold, else the first.

    When to use it: groups whose errors cost differently, or whose error rates a court or regulator
    wants equal. To treat people differently by a protected attribute is unlawful in many places,
    whatever it is for: docs/rules/fairness.md says what to ask before.

    Args:
        by: the column with the group, text or a number.
        at: by group, a probability, 0 to 1.
        otherwise: of all other groups, and of none.
    """

    rule = "group_threshold"

    def __init__(self, by: str, at: Mapping[Any, float], otherwise: float) -> None:
        self.by = column("by", by)
        if not isinstance(at, Mapping) or not at:
            raise ValueError("at: expected a mapping from group to threshold")
        self._at = {group: number(f"at.{group}", value, 0, 1) for group, value in at.items()}
        self.otherwise = number("otherwise", otherwise, 0, 1)

    def fields(self) -> Sequence[str]:
        return [self.by]

    def of(self, group: Any) -> float:
        """The threshold of a group."""
        return self._at.get(group, self.otherwise)

    def apply(self, output: Output, row: Row) -> None:
        if "probability" in output:
            second = output["probability"] >= self.of(row.fields[self.by])
            output["label"] = row.version.manifest.classes[second]

    def apply_table(self, outputs: Columns, rows: Row) -> bool:
        if "probability" in outputs:
            at = lift(self.of, rows.fields[self.by], np.float64)
            second = (outputs["probability"] >= at).astype(np.int32)
            outputs["label"] = Coded(second, rows.version.manifest.classes)
        return True

    def why(self, before: Output, after: Output, row: Row) -> str:
        if "probability" not in after:
            return "no probability"
        group = row.fields[self.by]
        at = self.of(group)
        sign = "≥" if after["probability"] >= at else "<"
        return f"{after['probability']:.6g} {sign} {at:g}, the threshold of {self.by} {group}"
