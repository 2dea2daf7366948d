"""What turns a version's probabilities into calibrated ones; fitted while a version is trained."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec
import numpy as np

from sluice.coded import Array
from sluice.models.document import read_document, write_document

FORMAT = 1
FILE = "calibration.json"
ISOTONIC, PLATT = METHODS = ("isotonic", "platt")
_EDGE = 1e-12  # a probability of 0 or 1 has no logit


class Calibration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Two maps from a probability to a probability, neither of which ever falls.

    Attributes:
        format: of the file.
        rows: of the holdout, that it was fitted on.
        x, y: the corners of the isotonic map, which is straight between them.
        slope, shift: Platt's: the sigmoid of slope · logit(p) + shift.
    """

    format: int
    rows: int
    x: list[float]
    y: list[float]
    slope: float
    shift: float

    def __call__(self, method: str, probabilities: Array) -> Array:
        """The calibrated probabilities [n]."""
        p = np.asarray(probabilities, np.float64)
        if method == ISOTONIC:
            return np.interp(p, self.x, self.y)
        inside = np.minimum(np.maximum(p, _EDGE), 1.0 - _EDGE)
        z = self.slope * (np.log(inside) - np.log1p(-inside)) + self.shift
        made: Array = 1.0 / (1.0 + np.exp(-z))
        return made

    def to_json(self) -> bytes:
        """What `read_calibration` reads."""
        return write_document(self)


def read_calibration(data: bytes) -> Calibration:
    """The calibration in a version's file. Raises ValueError."""
    read = read_document(data, Calibration, (FORMAT,))
    ascending = all(a <= b for line in (read.x, read.y) for a, b in pairwise(line))
    if not read.x or len(read.x) != len(read.y) or not ascending or read.slope < 0:
        raise ValueError("has no maps that never fall")
    return read


def fit_calibration(probabilities: Array, truth: Array) -> Calibration | None:
    """Fitted on probabilities [n] of the second class, and whether it came true [n].

    None where all came true, or none, and where a model ranks worse than chance: no map that never
    falls helps it. Platt's targets are smoothed as in his paper. For training: imports
    scikit-learn.
    """
    from sklearn.isotonic import IsotonicRegression

    p, y = np.asarray(probabilities, np.float64), np.asarray(truth, np.float64)
    if y.min() == y.max():
        return None
    isotonic = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(p, y)
    slope, shift = _platt(p, y)
    if slope < 0:
        return None
    x, corners = isotonic.X_thresholds_.tolist(), isotonic.y_thresholds_.tolist()
    return Calibration(format=FORMAT, rows=len(p), x=x, y=corners, slope=slope, shift=shift)


def _platt(p: Array, y: Array) -> tuple[float, float]:
    """Slope and shift: logistic regression on the logit, towards smoothed targets."""
    from sklearn.linear_model import LogisticRegression

    inside = np.clip(p, _EDGE, 1.0 - _EDGE)
    logit = np.log(inside) - np.log1p(-inside)
    n, ones = len(y), y.sum()
    target = np.where(y > 0, (ones + 1) / (ones + 2), 1 / (n - ones + 2))
    # A target of t is a one of weight t and a zero of weight 1 − t.
    rows, labels = np.concatenate([logit, logit])[:, None], np.repeat([1, 0], n)
    model: Any = LogisticRegression(C=1e9, max_iter=1000)
    model.fit(rows, labels, sample_weight=np.concatenate([target, 1 - target]))
    return float(model.coef_[0, 0]), float(model.intercept_[0])
