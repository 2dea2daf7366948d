"""Fits the candidates of a graph, logs each as a version, and compares versions on one holdout."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from sluice.application import Application
from sluice.errors import DeclarationError, GateFailed, nearest
from sluice.lineage.provenance import code_of, data_of
from sluice.live import load_version
from sluice.models.document import utc_text
from sluice.models.manifest import Manifest
from sluice.project import Project
from sluice.training.dataset import Dataset
from sluice.training.fit import Fitted, Fitting
from sluice.training.score import scores
from sluice.training.training import Candidate, Training

TAG, UNTIL = "run", "until"  # in a manifest's `training`
Tell = Callable[[str, str, Fitted], None]


class Made(NamedTuple):
    """A version that was trained: its candidate, and how that did on the holdout."""

    candidate: str
    metrics: Mapping[str, float]


class Fits:
    """Fits on one dataset.

    Args:
        project, application: whose; its stores are those that are written to.
        training: with the share of the rows that are held back.
        data: all rows, in as-of order.
    """

    def __init__(
        self, project: Project, application: Application, training: Training, data: Dataset
    ) -> None:
        self._application, self._training, self._data = application, training, data
        self._root = project.root
        self._seed, self._graph = project.settings.seed, application.graph

    def fit(
        self, names: Collection[str] = (), tag: str = "", tell: Tell = lambda *_: None
    ) -> dict[str, Made]:
        """What was made, by version.

        Args:
            names: of the candidates; empty: all.
            tag: goes into the manifests. What has it already is not fitted again.
            tell: is told each new version's number, candidate and what was fitted.
        """
        training, models = self._training, self._application.models
        candidates = _chosen(training.candidates(self._seed), names)
        _refuse_incomparable(training, candidates, len(self._data))
        fitting = Fitting(training, self._application.definitions, self._data, self._seed)
        made = self._tagged(tag) if tag else {}
        told = {UNTIL: float(self._data.as_of[-1]), **({TAG: tag} if tag else {})}
        told |= {
            "data": data_of(self._data, self._application.definitions, training),
            "code": code_of(self._root),
        }
        for name in [n for n in candidates if n not in {one.candidate for one in made.values()}]:
            fitted = fitting.fit(name, candidates[name])
            fitted.draft.training.update(told)
            number = models.log(self._graph, fitted.draft, fitted.files)
            made[number] = Made(name, fitted.metrics)
            tell(number, name, fitted)
        return made

    def score(self, number: str) -> dict[str, float]:
        """How a version that there is does on the holdout. Raises VersionRefused, NotFound."""
        application = self._application
        stored = application.models.read(self._graph, number)
        version = load_version(stored, application.definitions)
        _, later = self._data.split(self._training.holdout)
        predicted = version.model.predict(version.transform.transform(later.table))
        return scores(version.manifest.task, later.labels, predicted, version.manifest.classes)

    def _tagged(self, tag: str) -> dict[str, Made]:
        models = self._application.models
        known = [models.manifest(self._graph, number) for number in models.versions(self._graph)]
        return {
            manifest.version: Made(manifest.training["estimator"], manifest.metrics)
            for manifest in known
            if manifest.training.get(TAG) == tag
        }


def best_of(made: Mapping[str, Made], metric: str) -> str:
    """The version that did best; a candidate that is alone needs no figure."""
    return min(made, key=lambda number: made[number].metrics.get(metric, 0.0))


def learnt_until(manifest: Manifest) -> float:
    """The first moment (epoch s) after what a version was fitted on; −∞ where that is not known.

    Without it the version may have seen what it is compared by; that can only favour it.
    """
    until = manifest.training.get(UNTIL)
    return -math.inf if until is None else math.nextafter(until, math.inf)


def over(training: Training, window: Mapping[str, Any] | None) -> Training:
    """The training, with other arguments for its requests."""
    return replace(training, window={**training.window, **(window or {})})


def hold_back(training: Training, data: Dataset, since: float, rows: int) -> Training:
    """The training with the rows from a moment (epoch s) on as its holdout.

    Raises GateFailed for fewer than `rows`, or none before them; DeclarationError for a ranking.
    """
    if training.task == "ranking":
        problem, hint = "versions of a ranking are not compared yet", "train it by hand"
        raise DeclarationError("training", "task", problem, hint)
    held = int((data.as_of >= since).sum())
    if not max(rows, 1) <= held < len(data):
        when = utc_text(lambda: since)
        why = f"{held} of {len(data)} labelled requests are from {when} on; {rows} are needed"
        raise GateFailed("compare", why, {"held": held, "rows": len(data)})
    return replace(training, holdout=held / len(data))


def _chosen(candidates: Mapping[str, Candidate], names: Collection[str]) -> dict[str, Candidate]:
    for name in names:
        if name not in candidates:
            hint = nearest(name, candidates)
            raise DeclarationError("training", "candidates", f"there is no {name!r}", hint)
    return {name: c for name, c in candidates.items() if not names or name in names}


def _refuse_incomparable(training: Training, candidates: Collection[str], rows: int) -> None:
    """Without a holdout nothing says which of many candidates is best."""
    if not candidates:
        raise DeclarationError("training", "candidates", "there are none")
    if len(candidates) > 1 and not round(rows * training.holdout):
        problem = f"{training.holdout} of {rows} rows leaves none to compare on"
        hint = f"there are {', '.join(candidates)}: a larger share, or one candidate"
        raise DeclarationError("training", "holdout", problem, hint)
