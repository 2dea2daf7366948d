"""No label where the model is not sure."""

from __future__ import annotations

from typing import Any

import numpy as np

from sluice.coded import Coded
from sluice.rules.parameter import number
from sluice.rules.rule import Columns, Output, OutputRule, Row


class Label(OutputRule):
    """The most probable class where its probability is at least `at_least`, else `otherwise`.

    When to use it: what the model is not sure of goes to a person. Other outputs are left as they
    are.

    Args:
        at_least: a probability, 0 to 1.
        otherwise: text, or None: no label.
    """

    rule = "label"

    def __init__(self, at_least: float, otherwise: str | None = None) -> None:
        self.at_least = number("at_least", at_least, 0, 1)
        if otherwise is not None and not isinstance(otherwise, str):
            raise ValueError(f"otherwise: expected text, found {otherwise!r}")
        self.otherwise = otherwise

    def apply(self, output: Output, row: Row) -> None:
        classes = row.version.manifest.classes
        if "probability" in output:
            second = output["probability"]
            chances = [1.0 - second, second]
            best = int(second >= 0.5)
        elif "probabilities" in output:
            chances = list(output["probabilities"].values())
            best = max(range(len(chances)), key=chances.__getitem__)
        else:
            return
        output["label"] = classes[best] if chances[best] >= self.at_least else self.otherwise

    def apply_table(self, outputs: Columns, rows: Row) -> bool:
        if "probability" in outputs:
            second = outputs["probability"]
            best = (second >= 0.5).astype(np.int32)
            most = np.where(best, second, 1.0 - second)
        elif "probabilities" in outputs:
            chances = np.column_stack(list(outputs["probabilities"].values()))
            best, most = chances.argmax(axis=1).astype(np.int32), chances.max(axis=1)
        else:
            return True
        classes: list[Any] = list(rows.version.manifest.classes)
        label = Coded(best, classes)
        outputs["label"] = label.replaced(most < self.at_least, self.otherwise)
        return True
