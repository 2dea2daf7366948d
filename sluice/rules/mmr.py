"""Diversity: maximal marginal relevance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sluice.coded import Array
from sluice.rules.parameter import columns, number, text, whole
from sluice.rules.ranking import Ranking
from sluice.rules.rule import ListRule
from sluice.rules.scaled import scaled
from sluice.rules.vectors import SEPARATOR, Vectors, vectors


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
        found = vectors(ranking.items, places, self.of, self.separator)
        relevance = scaled(ranking)[ranking.order]
        chosen, _ = select(found, relevance, self.k, self.diversity, Bound.of(ranking))
        taken = set(chosen)
        rest = [place for at, place in enumerate(places) if at not in taken]
        return ranking.ordered([places[at] for at in chosen] + rest)

    def why_ranked(self, before: Ranking, after: Ranking) -> str:
        told = super().why_ranked(before, after)
        return f"{told}; {self.diversity:g} of the weight on being unlike by {', '.join(self.of)}"


class Bound:
    """What was settled before the choice: items at their positions, and quotas.

    Args:
        fixed: by position (from 0), the index of the item that stands there.
        quotas: which of the items are members [n], and how many of them the first i + 1 of those
            chosen must be.
    """

    def __init__(
        self, fixed: Mapping[int, int], quotas: Sequence[tuple[Array, Sequence[int]]]
    ) -> None:
        self.fixed = fixed
        self._quotas = quotas
        self._counts = [0] * len(quotas)

    @classmethod
    def of(cls, ranking: Ranking) -> Bound | None:
        """What a list's pins and quotas ask for, if there are any."""
        places, fixed = ranking.places, ranking.fixed
        if not fixed and not ranking.kept.least:
            return None
        quotas = [
            (np.array(least.member, bool)[ranking.order], least.needed(places, fixed))
            for least in ranking.kept.least
        ]
        return cls({at: at for at in fixed}, quotas)

    def choose(self, at: int, value: Array) -> int:
        """The index for position `at`: the largest value, of those that may stand there."""
        if at in self.fixed:
            best = self.fixed[at]
        else:
            for (member, needed), count in zip(self._quotas, self._counts, strict=True):
                if at < len(needed) and count < needed[at]:
                    allowed = np.where(member, value, -np.inf)
                    value = allowed if allowed.max() > -np.inf else value
            best = int(value.argmax())
        self._counts = [
            count + int(member[best])
            for (member, _), count in zip(self._quotas, self._counts, strict=True)
        ]
        return best


def select(
    found: Vectors, scores: Array, k: int, diversity: float, bound: Bound | None = None
) -> tuple[list[int], list[float]]:
    """The indices of the chosen, and the value with which each was.

    Args:
        found: the items' vectors [n, d].
        scores: relevance [n].
        k: how many, at most.
        diversity: 0 to 1.
        bound: what was settled before.

    Of two with equal values the first is taken.
    """
    relevance = (1.0 - diversity) * scores
    if bound:
        relevance[list(bound.fixed.values())] = -np.inf  # they come at their positions
    scale = diversity * found.scale
    value, costs = relevance.copy(), np.zeros(len(scores))
    chosen: list[int] = []
    values: list[float] = []
    for at in range(min(k, len(scores))):
        best = bound.choose(at, value) if bound else int(value.argmax())
        chosen.append(best)
        values.append(value.item(best))
        alike = found.matrix @ found.matrix[best]
        alike *= scale * found.scale[best]
        costs = np.maximum(costs, alike, out=costs) if at else alike
        relevance[best] = -np.inf
        np.subtract(relevance, costs, out=value)
    return chosen, values
