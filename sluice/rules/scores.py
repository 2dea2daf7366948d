"""Rules that change each number of an answer by itself."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sluice.coded import Array
from sluice.rules.ranking import Ranking
from sluice.rules.rule import Columns, ListRule, Output, OutputRule, Row

NUMBERS = ("probability", "prediction")


class ScoreRule(OutputRule, ListRule):
    """The base: a subclass writes `scored`, for single outputs and for the items of lists alike."""

    def scored(self, numbers: Array) -> Array:
        """Other numbers for some [n], each for its own."""
        raise TypeError(f"{type(self).__name__} does not define scored")

    def one(self, number: float) -> float:
        """`scored` of one number."""
        made: float = self.scored(np.array([number], np.float64))[0].item()
        return made

    def apply(self, output: Output, row: Row) -> None:
        for name in NUMBERS:
            if name in output:
                output[name] = self.one(output[name])
        if "probabilities" in output:
            found = output["probabilities"].items()
            output["probabilities"] = {label: self.one(chance) for label, chance in found}

    def apply_table(self, outputs: Columns, rows: Row) -> bool:
        for name in NUMBERS:
            if name in outputs:
                outputs[name] = self.scored(outputs[name])
        by_label: Mapping[str, Array] = outputs.get("probabilities", {})
        if by_label:
            outputs["probabilities"] = {n: self.scored(c) for n, c in by_label.items()}
        return True

    def rank(self, ranking: Ranking) -> Ranking:
        """The order stays: equal numbers keep the places that they had."""
        scores = self.scored(ranking.scores)
        return Ranking(ranking.items, ranking.places, scores, ranking.kept)
