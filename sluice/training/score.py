"""How good predictions are, on labelled rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sluice.errors import DeclarationError


def scores(
    task: str, labels: npt.NDArray[Any], predicted: npt.NDArray[Any], classes: Sequence[Any]
) -> dict[str, float]:
    """Metrics of predictions [n, k], as a version's scores are, against labels [n].

    Classification: log_loss, brier, accuracy, and auc for two classes. Regression: rmse, mae.
    Raises DeclarationError for a label that is none of `classes`.
    """
    if task == "regression":
        difference = predicted[:, 0].astype(np.float64) - labels
        rmse = float(np.sqrt(np.mean(difference**2)))
        return {"rmse": rmse, "mae": float(np.mean(np.abs(difference)))}
    from sklearn.metrics import roc_auc_score

    p = predicted.astype(np.float64)
    p = np.column_stack([1 - p[:, 0], p[:, 0]]) if len(classes) == 2 else p
    index = {c: i for i, c in enumerate(classes)}
    unseen = sorted({str(label) for label in labels.tolist() if label not in index})
    if unseen:
        problem = f"{', '.join(unseen)} first comes in the holdout: none of it to learn from"
        raise DeclarationError("training", "label", problem, "choose another window or holdout")
    truth = np.array([index[label] for label in labels.tolist()])
    right = np.clip(p[np.arange(len(p)), truth], 1e-15, 1.0)
    hot = np.eye(len(classes))[truth]
    brier = np.sum((p - hot) ** 2, axis=1)
    result = {
        "log_loss": float(-np.log(right).mean()),
        "brier": float(brier.mean() / 2 if len(classes) == 2 else brier.mean()),
        "accuracy": float((p.argmax(axis=1) == truth).mean()),
    }
    if len(classes) == 2 and len(set(truth.tolist())) == 2:
        result["auc"] = float(roc_auc_score(truth, p[:, 1]))
    return result
