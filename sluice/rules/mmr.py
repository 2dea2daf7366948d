"""Diversity: maximal marginal relevance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sluice.coded import Array
from sluice.rules.parameter import columns, number, text, whole
from sluice.rules.ranking import Ranking
from sluice.rules.rule import ListRule
from sluice.rules.scaled import scaled
from sluice.rules.vectors import SEPARATOR, vectors


class MMR(ListRule):
    """Item after item the one that is relevant and unlike those before it.

    When to use it: lists whose best items are all of one kind. Scores count on a scale from 0 to 1
    over the list, similarity is the cosine, 0 to 1 for words. After `k` items the others follow as
    they stood; put a top_k of a few hundred before it.

    Args:
        of: the columns that make items alike: a text of words such as "Action|Comedy", or numbers.
        diversity: 0 (relevance alone) to 1; the paper's 1 − λ.
        k: how many items are chosen so, at least 1.
        separator: between the words of a text.

    Source: Carbonell and Goldstein, The use of MMR, SIGIR 1998.
    """

    rule = "mmr"

    def __init__(
        self,
        of: str | Sequence[str],
        diversity: float,
        k: int = 10,
        separator: str = SEPARATOR,
    ) -> None:
        self.of = columns("of", of)
        self.diversity = number("diversity", diversity, 0, 1)
        self.k = whole("k", k, least=1)
        self.separator = text("separator", separator)

    def fields(self) -> Sequence[str]:
        return self.of

    def rank(self, ranking: Ranking) -> Ranking:
        places = ranking.places
        if len(places) < 2:
            return ranking
        unit = vectors(ranking.items, places, self.of, self.separator)
        scores = scaled(ranking)[places]
        chosen, _ = select(unit, scores, self.k, self.diversity)
        taken = set(chosen)
        rest = [place for at, place in enumerate(places) if at not in taken]
        return ranking.ordered([places[at] for at in chosen] + rest)

    def why_ranked(self, before: Ranking, after: Ranking) -> str:
        told = super().why_ranked(before, after)
        return f"{told}; {self.diversity:g} of the weight on being unlike by {', '.join(self.of)}"


def select(unit: Array, scores: Array, k: int, diversity: float) -> tuple[list[int], list[float]]:
    """The indices of the chosen, and the value with which each was.

    Args:
        unit: vectors of length 1 [n, d].
        scores: relevance [n].
        k: how many, at most.
        diversity: 0 to 1.

    Of two with equal values the first is taken.
    """
    relevance = (1.0 - diversity) * scores
    nearest = np.zeros(len(scores))
    chosen: list[int] = []
    values: list[float] = []
    for _ in range(min(k, len(scores))):
        value = relevance - diversity * nearest if chosen else relevance
        best = int(value.argmax())
        chosen.append(best)
        values.append(float(value[best]))
        likeness = unit @ unit[best]
        nearest = np.maximum(nearest, likeness) if len(chosen) > 1 else likeness
        relevance[best] = -np.inf
    return chosen, values
