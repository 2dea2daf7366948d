"""A label by condition, whatever the model says."""

from __future__ import annotations

from typing import Any

import numpy as np

from sluice.conditions import Situations
from sluice.features.definitions import Definitions
from sluice.rules.rule import Columns, Output, OutputRule, Row
from sluice.rules.where import Where


class Override(OutputRule):
    """The label `label` where a condition on the row holds, and `overridden: true`.

    When to use it: amounts that a person must see, places where a law decides. The number stays
    what the model said, so that it can go on being watched.

    Args:
        where: a condition (sluice/conditions).
        label: text, a number, true or false.
    """

    rule = "override"

    def __init__(self, where: Any, label: Any) -> None:
        self.where = Where(where)
        if not isinstance(label, (str, int, float)):
            raise ValueError(f"label: expected a label, found {label!r}")
        self.label = label

    def open(self, definitions: Definitions) -> None:
        self.where.open(definitions)

    def apply(self, output: Output, row: Row) -> None:
        if self.where.holds(row):
            output["label"], output["overridden"] = self.label, True

    def apply_table(self, outputs: Columns, rows: Row) -> bool:
        """Where it holds for no row at all: an output that is as it was has no `overridden`."""
        seen = Situations(rows.fields, rows.defaults, np.asarray(rows.time))
        return not self.where(seen).any()

    def why(self, before: Output, after: Output, row: Row) -> str:
        holds = "holds" if "overridden" in after else "does not hold"
        return f"{self.where} {holds}"
