"""Judging lists: what a model that was fitted on one split's past ranks, under each setting."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from sluice.application import Application
from sluice.live import CHAMPION, bind, load_version
from sluice.message import Message
from sluice.models.manifest import seal, unseal
from sluice.project import Project
from sluice.rules import Items, ListRule, Ranking
from sluice.rules.vectors import vectors
from sluice.service import Service
from sluice.training.dataset import Dataset
from sluice.training.fit import Fitting
from sluice.tuning.measures import diversity, ndcg
from sluice.tuning.tuning import Tuning


class Question(NamedTuple):
    """A request without its item, and the items that turned out to be relevant."""

    record: Mapping[str, Any]
    relevant: frozenset[str]


class Measured(NamedTuple):
    """One list. age is in the unit of the Tuning's date; share and exposure are the group's, 0 to
    1: of the first k items, and of their exposure 1/log2(1 + rank). NaN where there is none."""

    ndcg: float
    diversity: float
    age: float
    share: float
    exposure: float


def questions(data: Dataset, item: str) -> list[Question]:
    """The dataset's rows by request, those without a relevant item left out."""
    relevant: dict[tuple[tuple[str, Any], ...], set[str]] = {}
    for record, label in zip(data.records, data.labels.tolist(), strict=True):
        asked = tuple((n, v) for n, v in record.items() if n != item)
        found = relevant.setdefault(asked, set())
        if label:
            found.add(record[item])
    return [Question(dict(a), frozenset(found)) for a, found in relevant.items() if found]


@dataclass(frozen=True)
class Judge:
    """Ranks and measures with a model that no alias points at.

    Args:
        service: the graph with that model.
        tuning: what is measured.
        item: the column that names a row's item.
    """

    service: Service
    tuning: Tuning
    item: str

    @classmethod
    def fitted(
        cls, project: Project, application: Application, fitting: Fitting, tuning: Tuning, item: str
    ) -> Judge:
        """With the champion's kind of model, fitted on the data of `fitting`; it is not kept."""
        graph, definitions = application.graph, application.definitions
        kind = str(application.live().champion.manifest.training["estimator"])
        fitted = fitting.fit(kind, fitting.training.candidates(fitting.seed)[kind])
        folder = seal(graph, "tuning", fitted.draft, fitted.files, lambda: 0.0)
        version = load_version(unseal(graph, "tuning", folder), definitions)
        aliases, versions = {CHAMPION: version.number}, {version.number: version}
        live = bind(graph, definitions, application.features, versions, aliases=aliases)
        parts = (graph, definitions, application.models, application.features)
        service = Service.open(project, graph, application=Application(*parts, live=live))
        return cls(service, tuning, item)

    def measure(
        self, question: Question, rules: Mapping[str, Sequence[ListRule]]
    ) -> dict[str, Measured]:
        """The list of each setting, measured."""
        ranking = Ranking.of(self._items(question))
        measured = {}
        for name, of_setting in rules.items():
            ranked = ranking
            for rule in of_setting:
                ranked = rule.rank(ranked)
            measured[name] = self._measured(ranked, question)
        return measured

    def _items(self, question: Question) -> Items:
        message = Message([dict(question.record)])
        message.pin = CHAMPION
        self.service.run(message)  # the steps leave in it what they made
        places = {name: at for at, name in enumerate(message.columns)}
        ids: list[Any] = [row[places[self.item]] for row in message.values]
        return Items(
            ids,
            [float(score[0]) for score in message.scores],
            message.values,
            places,
            version=message.live.champion,
            when=message.when,
            defaults=message.defaults,
        )

    def _measured(self, ranked: Ranking, question: Question) -> Measured:
        tuning, items = self.tuning, ranked.items
        first = ranked.places[: tuning.k]
        if not first:
            return Measured(0.0, *[math.nan] * 4)
        ages = tuning.today - items.numbers(tuning.date)[first]
        inside = items.numbers(tuning.group)[first] > 0
        exposure = 1 / np.log2(np.arange(len(first)) + 2)
        return Measured(
            ndcg(ranked.ids, question.relevant, tuning.k),
            diversity(vectors(items, first, tuning.alike).unit),
            math.nan if np.isnan(ages).all() else float(np.nanmean(ages)),
            float(inside.mean()),
            float(exposure[inside].sum() / exposure.sum()),
        )
