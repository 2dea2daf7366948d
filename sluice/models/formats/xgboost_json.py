"""XGBoost's own JSON, for boosters that do not convert to ONNX. Imports xgboost."""

from __future__ import annotations

from typing import Any

from sluice.models.manifest import Manifest
from sluice.models.model import Input, Tensors, refused


class XgboostModel:
    """A booster that predicts with one thread from the float32 matrix "features".

    Each call has a matrix of its own. XGBoost promises that many threads may so ask a booster of
    trees (gbtree, dart); that one of a linear model only reads its weights is tested alone.
    """

    imports: tuple[str, ...] = ("xgboost", "sklearn", "pandas")

    def __init__(self, manifest: Manifest, data: bytes) -> None:
        import xgboost

        self._matrix = xgboost.DMatrix
        self._booster = xgboost.Booster({"nthread": 1})
        try:
            self._booster.load_model(bytearray(data))
        except xgboost.core.XGBoostError as error:
            reason = str(error).splitlines()[0]
            raise refused(manifest, f"XGBoost does not load it: {reason}") from None
        self._booster.set_param({"nthread": 1})
        self.inputs = (Input("features", "float32", self._booster.num_features()),)

    def predict(self, tensors: Tensors) -> Any:
        matrix = self._matrix(tensors["features"], nthread=1)
        answer = self._booster.predict(matrix, validate_features=False)
        return answer.reshape(len(answer), -1)
