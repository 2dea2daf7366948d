"""scikit-learn estimators kept by skops, for those that do not convert to ONNX.

Imports skops, scikit-learn and pandas: 200 MB that an ONNX model does not need.

Several threads may ask one estimator at once. scikit-learn does not promise that this is safe: its
estimators only read, when they predict, what `fit` made. One that changed itself then must not be
served.
"""

from __future__ import annotations

import zipfile
from typing import Any

from sluice.models.manifest import Manifest
from sluice.models.model import Input, Tensors, refused

# Beside skops' own list: plain data of scikit-learn, none of which runs what the file says.
TRUSTED = (
    "numpy.dtype",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
)


class SkopsModel:
    """An estimator or Pipeline: of the matrix "features", or of one column for each tensor."""

    imports: tuple[str, ...] = ("skops", "sklearn", "pandas")
    inputs: tuple[Input, ...] = ()

    def __init__(self, manifest: Manifest, data: bytes) -> None:
        import skops.io

        try:
            foreign = sorted(set(skops.io.get_untrusted_types(data=data)) - set(TRUSTED))
        except (zipfile.BadZipFile, KeyError, ValueError) as error:
            raise refused(manifest, f"skops does not read it: {error}") from None
        if foreign:
            raise refused(manifest, f"holds types that are not trusted: {', '.join(foreign)}")
        self._estimator = skops.io.loads(data, trusted=list(TRUSTED))
        self._classes = len(manifest.classes)

    def predict(self, tensors: Tensors) -> Any:
        rows = native_rows(tensors)
        if not self._classes:
            return self._estimator.predict(rows).reshape(-1, 1)
        answer = self._estimator.predict_proba(rows)
        return answer[:, 1:] if self._classes == 2 else answer


def native_rows(tensors: Tensors) -> Any:
    """What a scikit-learn estimator takes: the matrix itself, or a table of the named columns."""
    if set(tensors) == {"features"}:
        return tensors["features"]
    import pandas

    return pandas.DataFrame({name: tensor[:, 0] for name, tensor in tensors.items()})
