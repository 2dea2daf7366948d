"""The flight year as seven models answered it: three static ones, and four that are trained anew.

What they answered is kept in a file, so that the figures can be looked at again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from serving_graphs.flight_delay.playback import Flights
from serving_graphs.flight_delay.training import SCHEDULE, training
from sluice.features.definitions import read_definitions
from sluice.routing.statistics import Floats
from sluice.training import Candidate
from sluice.training.dataset import Dataset, build_dataset
from sluice.training.fit import fit, predict
from sluice.transform import Columns

MODELS = (
    "request_static", "logistic_static", "xgboost_static", "logistic", "hist", "xgboost", "last",
)  # fmt: skip
MONTHS = [f"2013-{month:02}" for month in range(4, 13)]
KNOWN_AFTER_S = 2 * 86_400.0
_KEY = ("time_hour", "carrier", "flight", "origin")


class Answered(NamedTuple):
    """Requests in the order in which they were asked.

    Attributes:
        asked, known: when each was asked, and when its label became known [n].
        labels: [n].
        scores: of each model [n, 7].
    """

    asked: Floats
    known: Floats
    labels: Floats
    scores: Floats


def answered(root: Path, kept: Path, rows: int, months: list[str]) -> Answered:
    """What the seven answered: `rows` of each month, and so many to train on; 0 for all."""
    if not kept.is_file():
        made = _answered(root, rows, months)
        np.savez(kept, **made._asdict())
    with np.load(kept) as found:
        return Answered(*(found[name] for name in Answered._fields))


def _answered(root: Path, rows: int, months: list[str]) -> Answered:
    definitions = read_definitions(root / "serving_graphs/flight_delay/features.yaml", root)
    window = {"start": "2013-01-01", "end": f"{np.datetime64(months[-1]) + 1}-01"}
    if rows:  # some days are enough
        first = np.datetime64(months[0], "D")
        window = {"start": str(first - 12), "end": str(first + 10)}
    data = build_dataset(definitions, replace(training, holdout=0.0), root, window)
    known = _known(data, window)
    parts = list(_months(data, known, rows, months))
    return Answered(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _known(data: Dataset, window: Mapping[str, str]) -> Floats:
    questions = Flights().questions(window["start"], window["end"])
    by_key = {
        tuple(record[name] for name in _KEY): known
        for record, known in zip(questions.records, questions.known.tolist(), strict=True)
    }
    return np.array([by_key[tuple(r[name] for name in _KEY)] for r in data.records])


def _months(data: Dataset, known: Floats, rows: int, months: list[str]) -> Iterator[Answered]:
    kinds = dict(zip(("xgboost", "hist", "logistic"), training.candidates(7).values(), strict=True))
    request = Candidate(kinds["xgboost"].estimator, Columns(dict(SCHEDULE)))
    static: dict[str, tuple[Candidate, object]] = {}
    for month in months:
        begin = np.datetime64(month, "s").astype(float)
        end = np.datetime64(str(np.datetime64(month) + 1), "s").astype(float)
        before = _latest(np.flatnonzero(data.as_of < begin - KNOWN_AFTER_S), rows)
        last = before[data.as_of[before] >= begin - KNOWN_AFTER_S - 31 * 86_400]
        asked = _latest(np.flatnonzero((data.as_of >= begin) & (data.as_of < end)), rows)
        past, now = data.rows(before), data.rows(asked)
        if not static:
            names = zip(MODELS[:3], (request, kinds["logistic"], kinds["xgboost"]), strict=True)
            static = {name: _fitted(kind, past) for name, kind in names}
        columns = {name: _predict(*static[name], now) for name in MODELS[:3]}
        for name, kind in kinds.items():
            columns[name] = _predict(*_fitted(kind, past), now)
        columns["last"] = _predict(*_fitted(kinds["xgboost"], data.rows(last)), now)
        scores = np.array([columns[name] for name in MODELS]).T
        yield Answered(now.as_of, known[asked], now.labels.astype(float), scores)


def _latest(places: np.ndarray[tuple[int], np.dtype[np.int64]], rows: int) -> np.ndarray:  # type: ignore[type-arg]
    return places[-rows:] if rows else places


def _fitted(candidate: Candidate, data: Dataset) -> tuple[Candidate, object]:
    """A candidate with a transform of its own, and its estimator, fitted."""
    own = deepcopy(candidate)
    return own, fit(own, data)[1]


def _predict(candidate: Candidate, estimator: object, data: Dataset) -> Floats:
    """The probability of the second class [n]."""
    tensors = candidate.transform.transform(data.table)
    scores: Floats = np.asarray(predict(estimator, tensors, [0, 1]), np.float64)[:, 0]
    return scores
