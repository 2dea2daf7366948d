"""Trains in this process, on tables: what the job `retrain` does, and who has the tables at hand.

A year that is played again asks often: it builds its dataset once, and `data` gives a part of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sluice.application import Application
from sluice.gate import Gate
from sluice.loop.trainer import Order, Trained
from sluice.project import Project
from sluice.training.dataset import Dataset
from sluice.training.fits import Fits, Tell, best_of, hold_back, learnt_until, over
from sluice.training.training import Training


class DataTrainer:
    """A Trainer.

    Args:
        project, application: whose; versions go to the application's store.
        training: what to fit.
        data: the dataset of a window, in as-of order.
        tell: is told each new version's number, candidate and what was fitted.
    """

    def __init__(
        self,
        project: Project,
        application: Application,
        training: Training,
        data: Callable[[Mapping[str, Any]], Dataset],
        tell: Tell = lambda *_: None,
    ) -> None:
        self._project, self._application = project, application
        self._training, self._data, self._tell = training, data, tell

    def train(self, order: Order) -> Trained:
        """Fit on what came before `since`, score on the rest, fit again on all, and log.

        Of what is new to all versions to compare with, the later half is held back at most: the
        first half is what the new one may do better by. Raises GateFailed where there is too
        little to compare by.
        """
        application, training = self._application, over(self._training, order.window)
        data = self._data(training.window)
        known = [application.models.manifest(application.graph, n) for n in order.against]
        since = max([order.since, *(_middle(learnt_until(m), data) for m in known)])
        training = hold_back(training, data, since, order.rows)
        fits = Fits(self._project, application, training, data)
        made = fits.fit(order.candidates, order.tag, self._tell)
        scores = {number: dict(one.metrics) for number, one in made.items()}
        scores |= {number: fits.score(number) for number in order.against}
        return Trained(
            best=best_of(made, training.compared_by),
            metric=training.compared_by,
            versions={one.candidate: number for number, one in made.items()},
            scores=scores,
            rows=len(data),
            held=int((data.as_of >= since).sum()),
            since=since,
        )

    def check(self, version: str) -> Any:
        """The parity gate, golden requests among it. Raises GateFailed."""
        return Gate.of(self._project, self._application).check(version)


def _middle(learnt: float, data: Dataset) -> float:
    """The moment (epoch s) half way from what a version has learnt from to the end of the data."""
    last = float(data.as_of[-1]) if len(data) else learnt
    return max(learnt, (learnt + last) / 2)
