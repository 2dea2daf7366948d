"""Probabilities that are what they say."""

from __future__ import annotations

import numpy as np

from sluice.calibration import METHODS, Calibration
from sluice.coded import Array, Coded
from sluice.rules.parameter import choice
from sluice.rules.ranking import Ranking
from sluice.rules.rule import Columns, ListRule, Output, OutputRule, Row

UNCALIBRATED = "uncalibrated"


class Calibrate(OutputRule, ListRule):
    """The probability of the second class as it turned out to be on the holdout.

    When to use it: costs, thresholds and people need a probability of .3 to come true in 30 of 100
    cases. The parameters belong to the model version: training fits them on its holdout. The label
    follows the new probability; a threshold goes after this rule. A version that has none (of an
    older Sluice, of a team, without a holdout) answers as it is and says `uncalibrated: true`.

    In a list the scores change and the order stays, for both methods never fall.

    Args:
        method: isotonic (any shape, wants some thousand rows) or platt (a sigmoid).

    Source: Zadrozny and Elkan, KDD 2002; Platt 1999.
    """

    rule = "calibrate"

    def __init__(self, method: str = "isotonic") -> None:
        self.method = choice("method", method, METHODS)

    def apply(self, output: Output, row: Row) -> None:
        if "probability" not in output:
            return
        calibration = row.version.calibration
        if calibration is None:
            output[UNCALIBRATED] = True
            return
        made = self._made(calibration, np.array([output["probability"]]))[0].item()
        output["probability"], output["label"] = made, row.version.manifest.classes[made >= 0.5]

    def apply_table(self, outputs: Columns, rows: Row) -> bool:
        if "probability" not in outputs:
            return True
        calibration, n = rows.version.calibration, len(outputs["probability"])
        if calibration is None:
            outputs[UNCALIBRATED] = np.ones(n, bool)
            return True
        made = outputs["probability"] = self._made(calibration, outputs["probability"])
        outputs["label"] = Coded((made >= 0.5).astype(np.int32), rows.version.manifest.classes)
        return True

    def rank(self, ranking: Ranking) -> Ranking:
        calibration = ranking.items.version.calibration
        if calibration is None:
            return ranking
        scores = self._made(calibration, ranking.scores)
        return Ranking(ranking.items, ranking.places, scores, ranking.kept._replace(scaled=False))

    def unmet(self, before: Ranking, last: Ranking) -> str:
        return "" if last.items.version.calibration else "the version has no calibration"

    def why(self, before: Output, after: Output, row: Row) -> str:
        if UNCALIBRATED in after:
            return f"version {row.version.number} has no calibration"
        return f"{self.method}, fitted on the holdout of version {row.version.number}"

    def _made(self, calibration: Calibration, probabilities: Array) -> Array:
        return calibration(self.method, probabilities)
