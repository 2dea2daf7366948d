"""Training's side: an estimator becomes a model file that answers what the estimator answers.

The estimator must have been fitted on the float32 values that serving will feed it: fitted on
float64, thresholds fall between float32 values and a few rows change branch.
"""

from __future__ import annotations

import logging
import math
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from sluice.errors import GateFailed, VersionRefused
from sluice.models.backends import choose
from sluice.models.formats.skops import native_rows
from sluice.models.manifest import Draft, Label, Manifest, seal, unseal
from sluice.models.model import load_model

Task = Literal["classification", "regression", "ranking"]
Format = Literal["onnx", "xgboost-json", "skops", "item-item"]
Array = npt.NDArray[Any]
Sample = dict[str, Array]

TOLERANCE = 1e-6
_FILES: dict[Format, str] = {
    "onnx": "model.onnx",
    "xgboost-json": "model.json",
    "skops": "model.skops",
    "item-item": "model.npz",
}
_log = logging.getLogger(__name__)


class Parity(NamedTuple):
    """How far the model file's answers were from the estimator's own.

    rows: how many were compared; null_rows: how many of them had a NaN put in by the check (0
    when the estimator itself refuses NaN, or none was asked for).
    largest: the largest absolute difference; allowed: the limit, 1e-6 on a probability and, for
    a regression, 1e-6 · max(1, the largest |prediction| of the sample): float32 sums carry an
    error in proportion to their largest terms, not to a result that happens to be near zero.
    """

    rows: int
    null_rows: int
    largest: float
    allowed: float


class Converted(NamedTuple):
    """A model file, named `file` and kept as `format`, that passed the parity check.

    classes: the estimator's labels in the order of its probabilities, empty for a regression.
    fallback_reason: why it is not ONNX; empty when it is.
    beside: files that serving may use in its place, where it can.
    backends: how the choice among them was made, free JSON (models/backends.py).
    """

    format: Format
    file: str
    data: bytes
    classes: list[Label]
    parity: Parity
    fallback_reason: str
    beside: dict[str, bytes] = {}  # noqa: RUF012 (nobody changes it)
    backends: dict[str, Any] = {}  # noqa: RUF012


def convert(estimator: Any, sample: Array | Sample, task: Task, nulls: bool = True) -> Converted:
    """`estimator` as ONNX or, where that does not answer the same, in its library's own format.

    Args:
        estimator: a fitted XGBClassifier or XGBRegressor, a scikit-learn estimator or Pipeline,
            or one that writes its model itself (training/item_item.py).
        sample: rows to compare on, as serving will feed them: a float32 matrix [n, m], or for a
            Pipeline fitted on a table its columns by name, [n, 1], float32, int64 or text.
        task: classification (the estimator has predict_proba), regression or ranking.
        nulls: also compare rows with NaN in each float column. False promises that serving
            never feeds NaN; forests from scikit-learn then convert, which route NaN otherwise.

    Raises:
        GateFailed: the sample is not what serving feeds, or no format answers the same.
    """
    case = _case(estimator, _tensors(sample), task, nulls)
    if hasattr(estimator, "to_model"):
        return _checked(case, estimator.model_format, estimator.to_model())
    reason = ""
    try:
        return _with_backends(case, _checked(case, "onnx", _to_onnx(case)))
    except (GateFailed, VersionRefused) as refusal:
        reason = refusal.why
    # A converter raises whatever it meets first in an estimator that it does not know. The text
    # is kept with the version, and the fallback must pass the same check.
    except Exception as error:
        reason = f"does not convert: {type(error).__name__}: {error}"
    return _fallback(case, reason)


class _Case(NamedTuple):
    estimator: Any
    task: Task
    classes: list[Label]
    tensors: Sample
    null_rows: int
    expected: Array


def _case(estimator: Any, tensors: Sample, task: Task, nulls: bool) -> _Case:
    classes = _classes(estimator, task)
    _check_xgboost(estimator, tensors)
    if nulls:
        probed, count = _with_nulls(tensors)
        try:
            expected = _native(estimator, probed, task)
            return _Case(estimator, task, classes, probed, count, expected)
        except ValueError:
            _log.info("%s refuses NaN, so none is compared", type(estimator).__name__)
    return _Case(estimator, task, classes, tensors, 0, _native(estimator, tensors, task))


def _fallback(case: _Case, reason: str) -> Converted:
    kind: Format = "xgboost-json" if _from_library(case.estimator, "xgboost") else "skops"
    name = type(case.estimator).__name__
    _log.warning("%s is kept as %s: as ONNX it %s", name, kind, reason)
    data = _to_json(case) if kind == "xgboost-json" else _to_skops(case)
    try:
        return _checked(case, kind, data)._replace(fallback_reason=reason)
    except (GateFailed, VersionRefused) as error:
        why = f"{name}: as ONNX it {reason}; as {kind} it {error.why}"
        raise GateFailed("conversion", why) from None


def _checked(case: _Case, kind: Format, data: bytes) -> Converted:
    file = _FILES[kind]
    parity = _parity(case, _load(case, kind, data).predict(case.tensors))
    return Converted(kind, file, data, case.classes, parity, "")


def _with_backends(case: _Case, converted: Converted) -> Converted:
    """The trees beside the ONNX file, if it is a forest, and they answer as it does, and faster."""
    manifest = _manifest(case, "onnx", converted.data)
    chosen = choose(manifest, converted.data, case.tensors, converted.parity.allowed)
    return converted._replace(beside=chosen.files, backends=chosen.figures)


def _load(case: _Case, kind: Format, data: bytes) -> Any:
    """The model, loaded as serving will load it."""
    return load_model(_manifest(case, kind, data), {_FILES[kind]: data})


def _manifest(case: _Case, kind: Format, data: bytes) -> Manifest:
    draft = Draft(
        task=case.task, model_format=kind, model_file=_FILES[kind], classes=case.classes,
        outputs=[], features=[], definitions={}, transform_digest="", training={}, metrics={},
    )  # fmt: skip
    files = {draft.model_file: data}
    return unseal("conversion", "1", seal("conversion", "1", draft, files, lambda: 0.0)).manifest


def _parity(case: _Case, got: Array) -> Parity:
    rows = len(case.expected)
    scale = 1.0 if case.classes else float(np.nanmax(np.abs(case.expected), initial=1.0))
    if got.shape != case.expected.shape:
        why = f"answers {list(got.shape)} numbers for {list(case.expected.shape)}"
        raise GateFailed("conversion", why)
    apart = np.abs(got.astype(np.float64) - case.expected)
    apart[np.isnan(got) & np.isnan(case.expected)] = 0.0
    worst = int(np.argmax(np.where(np.isnan(apart), np.inf, apart).max(axis=1)))
    parity = Parity(rows, case.null_rows, float(apart[worst].max()), TOLERANCE * scale)
    if not parity.largest <= parity.allowed:
        null = ", where the check put a NaN in" if worst >= rows - case.null_rows else ""
        why = f"differs by {parity.largest:.3g} on row {worst}{null}; allowed {parity.allowed:.3g}"
        raise GateFailed("conversion", why, parity._asdict())
    return parity


def _tensors(sample: Array | Sample) -> Sample:
    tensors = sample if isinstance(sample, dict) else {"features": sample}
    checked = {}
    for name, tensor in tensors.items():
        wide = isinstance(sample, dict) and name != "features" and tensor.shape[1:] != (1,)
        if tensor.ndim != 2 or not len(tensor) or wide:
            raise GateFailed("conversion", f"{name} is {list(tensor.shape)}, expected [n, 1]")
        plain = tensor.astype(object) if tensor.dtype.kind == "U" else tensor
        if plain.dtype not in (np.float32, np.int64, np.object_):
            why = f"{name} is {tensor.dtype}: fit on float32, int64 or text, as serving feeds them"
            raise GateFailed("conversion", why)
        checked[name] = plain
    return checked


def _with_nulls(tensors: Sample) -> tuple[Sample, int]:
    """The sample and, after it, a row for each float column with a NaN there, and one of NaN."""
    floating = [name for name, tensor in tensors.items() if tensor.dtype == np.float32]
    count = sum(tensors[name].shape[1] for name in floating) + 1 if floating else 0
    places = np.arange(count) % len(next(iter(tensors.values())))
    probes = {name: tensor[places] for name, tensor in tensors.items()}
    row = 0
    for name in floating:
        for column in range(probes[name].shape[1]):
            probes[name][[row, -1], column] = np.nan
            row += 1
    return {name: np.concatenate([tensors[name], probes[name]]) for name in tensors}, count


def _native(estimator: Any, tensors: Sample, task: Task) -> Array:
    rows = native_rows(tensors)
    if task != "classification":
        answer = np.asarray(estimator.predict(rows), np.float64)
        return answer.reshape(len(answer), -1)
    answer = np.asarray(estimator.predict_proba(rows), np.float64)
    return answer[:, 1:] if answer.shape[1] == 2 else answer


def _classes(estimator: Any, task: Task) -> list[Label]:
    name = type(estimator).__name__
    if hasattr(estimator, "to_model"):
        return []
    if not _from_library(estimator, "xgboost") and not _from_library(estimator, "sklearn"):
        raise GateFailed("conversion", f"{name} is of neither scikit-learn nor XGBoost")
    needed = "predict_proba" if task == "classification" else "predict"
    if not hasattr(estimator, needed):
        raise GateFailed("conversion", f"{name} has no {needed}, which a {task} needs")
    return [] if task != "classification" else list(np.asarray(estimator.classes_).tolist())


def _check_xgboost(estimator: Any, tensors: Sample) -> None:
    """Refuse, before any conversion, what neither of XGBoost's formats would answer alike."""
    steps = getattr(estimator, "steps", [])
    if steps and _from_library(steps[-1][1], "xgboost"):
        why = "a Pipeline that ends in XGBoost: fit XGBoost on the transform's matrix instead"
        raise GateFailed("conversion", why)
    if not _from_library(estimator, "xgboost"):
        return
    if set(tensors) != {"features"} or tensors["features"].dtype != np.float32:
        raise GateFailed("conversion", "XGBoost takes one float32 matrix, not named columns")
    if not math.isnan(estimator.missing):
        why = f"missing={estimator.missing}: only NaN means missing in serving"
        raise GateFailed("conversion", why)


def _from_library(estimator: Any, library: str) -> bool:
    return any(kind.__module__.split(".")[0] == library for kind in type(estimator).__mro__)


def _to_onnx(case: _Case) -> bytes:
    xgboost = _from_library(case.estimator, "xgboost")
    return _xgboost_to_onnx(case) if xgboost else _sklearn_to_onnx(case)


def _xgboost_to_onnx(case: _Case) -> bytes:
    from onnxmltools import convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType

    inputs = [("features", FloatTensorType([None, case.tensors["features"].shape[1]]))]
    return bytes(convert_xgboost(_booster(case.estimator), "sluice", inputs).SerializeToString())


def _sklearn_to_onnx(case: _Case) -> bytes:
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType

    kinds = {"f": FloatTensorType, "i": Int64TensorType, "O": StringTensorType}
    inputs = [(n, kinds[t.dtype.kind]([None, t.shape[1]])) for n, t in case.tensors.items()]
    options = {"zipmap": False} if case.classes else None
    graph = convert_sklearn(case.estimator, "sluice", inputs, options=options)
    return bytes(graph.SerializeToString())


def _to_json(case: _Case) -> bytes:
    return bytes(_booster(case.estimator).save_raw("json"))


def _to_skops(case: _Case) -> bytes:
    import skops.io

    return bytes(skops.io.dumps(case.estimator))


def _booster(estimator: Any) -> Any:
    """The trees that the estimator predicts with: up to its best iteration, columns unnamed."""
    booster = estimator.get_booster()
    best = getattr(estimator, "best_iteration", None)
    booster = booster[: best + 1] if best is not None else booster.copy()
    booster.feature_names = booster.feature_types = None
    return booster
