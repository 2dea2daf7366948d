"""Freshness: scores that fade with distance from a date."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from sluice.coded import Array
from sluice.rules.parameter import choice, column, number, span
from sluice.rules.ranking import Items, Ranking
from sluice.rules.rule import ListRule
from sluice.rules.scaled import scaled

NOW = "now"
Shape = Callable[[Array, float, float], Array]


def _exp(distance: Array, scale: float, decay: float) -> Array:
    fresh: Array = np.exp(math.log(decay) / scale * distance)
    return fresh


def _gauss(distance: Array, scale: float, decay: float) -> Array:
    fresh: Array = np.exp(distance**2 * (math.log(decay) / scale**2))
    return fresh


def _linear(distance: Array, scale: float, decay: float) -> Array:
    reach = scale / (1.0 - decay)
    return np.maximum(0.0, (reach - distance) / reach)


SHAPES: Mapping[str, Shape] = {"exp": _exp, "gauss": _gauss, "linear": _linear}


class Decay(ListRule):
    """Scores, from 0 to 1 over the list, that fade with an item's distance from `at`.

    When to use it: news, offers, films: what is new goes first where it is nearly as good. With
    `weight` w a score becomes (1 − w) · score + w · freshness, else score · freshness. Freshness
    is 1 up to `offset` from `at`, `decay` at offset + scale; an item without a date has none.

    Args:
        field: the column with the date: seconds since the epoch, a year, or any other number.
        scale: in the field's unit; where that is seconds, a duration such as 30d as well.
        shape: exp, gauss or linear.
        at: a number in the field's unit; "now": the moment of the request, in seconds.
        offset: as scale.
        decay: above 0, below 1.
        weight: 0 to 1, or None.

    Source: the decay functions of Elasticsearch's function_score query.
    """

    rule = "decay"

    def __init__(
        self,
        field: str,
        scale: float | str,
        *,
        shape: str = "exp",
        at: float | str = NOW,
        offset: float | str = 0,
        decay: float = 0.5,
        weight: float | None = None,
    ) -> None:
        self.field, self.shape = column("field", field), SHAPES[choice("shape", shape, SHAPES)]
        self.at = at if isinstance(at, str) and at == NOW else number("at", at)
        self.scale, self.offset = span("scale", scale), span("offset", offset)
        self.decay = number("decay", decay)
        if not self.scale or not 0 < self.decay < 1:
            raise ValueError("scale has to be above 0, and decay above 0 and below 1")
        self.weight = None if weight is None else number("weight", weight, 0, 1)

    def fields(self) -> Sequence[str]:
        return [self.field]

    def numbers(self) -> Sequence[str]:
        return [self.field]

    def rank(self, ranking: Ranking) -> Ranking:
        distance = np.abs(ages(ranking.items, self.field, self.at))
        beyond = np.maximum(0.0, distance - self.offset)
        fresh = self.shape(beyond, self.scale, self.decay)
        fresh[np.isnan(fresh)] = 0.0
        scores, weight = scaled(ranking), self.weight
        if weight is None:
            return ranking.rescored(scores * fresh)
        return ranking.rescored((1.0 - weight) * scores + weight * fresh)


def ages(items: Items, field: str, at: float | str) -> Array:
    """How much older than `at` each item is [n], in the field's unit; NaN without a date."""
    moment = items.when if isinstance(at, str) else at
    return moment - items.numbers(field)
