"""The training set: each request with its features as they were known when it was asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sluice.errors import DeclarationError
from sluice.features.definitions import Definitions
from sluice.features.offline import training_frame
from sluice.features.source import load_sources
from sluice.frame import records_of
from sluice.schema import Column
from sluice.training.training import Training


@dataclass(frozen=True)
class Dataset:
    """Requests in as-of order.

    Attributes:
        records: as a caller would send them, JSON-able.
        table: the record's fields, typed, and every declared feature; columns of [n].
        as_of: seconds since the epoch [n].
        labels: [n].
    """

    records: list[dict[str, Any]]
    table: Mapping[str, Column]
    as_of: npt.NDArray[np.float64]
    labels: npt.NDArray[Any]

    def __len__(self) -> int:
        return len(self.labels)

    def split(self, holdout: float) -> tuple[Dataset, Dataset]:
        """The earlier rows, and the share of the latest."""
        cut = len(self) - round(len(self) * holdout)
        return self.rows(slice(0, cut)), self.rows(slice(cut, None))

    def rows(self, which: Any) -> Dataset:
        """The rows that a slice or an index array [m] chooses."""
        records = (
            self.records[which]
            if isinstance(which, slice)
            else [self.records[int(i)] for i in which]
        )
        table = {n: c[which] for n, c in self.table.items()}
        return Dataset(records, table, self.as_of[which], self.labels[which])


def build_dataset(
    definitions: Definitions, training: Training, root: Path, window: Mapping[str, Any]
) -> Dataset:
    """The dataset of a window.

    Only the record's fields and declared features are in it: any other column that `requests`
    gives (such as one that is known only after the event) is out of every transform's reach.
    Raises DeclarationError for a window that `requests` does not take, and for a label that is
    missing or has no value somewhere; RecordError for requests that break the schema.
    """
    import pandas as pd

    _refuse_unknown(training, window)
    frame = training.requests(**window)
    labels = _labels(frame, training, definitions)
    n = len(frame)
    fields = [f for f in definitions.record.names if f in frame.columns]
    records = records_of(frame[fields])
    columns = definitions.record.table({f: [r[f] for r in records] for f in fields}, n)
    as_of = np.zeros(n) if definitions.as_of is None else np.asarray(definitions.as_of(columns))
    sources = load_sources(definitions, root, definitions.entities)
    typed = pd.DataFrame(columns)
    joined = training_frame(definitions, typed, as_of, sources, list(definitions.features))
    table = {name: joined[name].to_numpy() for name in definitions.names}
    order = np.argsort(as_of, kind="stable")
    return Dataset(records, table, as_of, labels).rows(order)


def _refuse_unknown(training: Training, window: Mapping[str, Any]) -> None:
    takes = signature(training.requests)
    try:
        takes.bind(**window)
    except TypeError as error:
        hint = f"requests takes {takes}"
        raise DeclarationError("training", "window", str(error), hint) from None


def _labels(frame: Any, training: Training, definitions: Definitions) -> npt.NDArray[Any]:
    label = training.label
    if label not in frame.columns:
        problem = f"the label {label!r} is not among the columns that requests gives"
        raise DeclarationError("training", "label", problem, ", ".join(map(str, frame.columns)))
    if label in definitions.record.by_name:
        problem = f"the label {label!r} is a field of the record: it would be its own answer"
        raise DeclarationError(definitions.file, f"record.{label}", problem)
    if frame[label].isna().any():
        missing = int(frame[label].isna().sum())
        raise DeclarationError("training", "label", f"{missing} rows have no {label!r}")
    labels: npt.NDArray[Any] = frame[label].to_numpy()
    return labels
