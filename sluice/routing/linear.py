"""The base of contextual bandits: a ridge regression of the reward on the context, for each arm.

The sums of an arm are n, Σr, Σr², then Σr·x [d] and the upper half of Σx·xᵀ, row by row: they add
up in any order, and forgetting weighs them by bucket as it does the others.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np

from sluice.features.definitions import Definitions
from sluice.live import CHAMPION, Live
from sluice.message import Choice, Message
from sluice.routing.bandit import WARM, Bandit
from sluice.routing.bounds import bounded
from sluice.routing.context import declared
from sluice.routing.rewards import Decision, Earned
from sluice.routing.snapshot import Snapshot
from sluice.routing.statistics import COUNT, SQUARE, Floats, total, units

_AT_ONCE = 1 << 20  # numbers in hand while many rows are decided
_FEW = 256  # numbers that are multiplied and added up sooner without NumPy


class Fits(NamedTuple):
    """The regressions by one snapshot.

    Attributes:
        live, snapshot: what they were made of.
        arms: aliases [k].
        forms: by what x·xᵀ is multiplied and added up, flat [2k, d²]. First the weights of each
            arm, for its first row, which is x; half a reward is taken off, so that an arm of which
            nothing is known earns half. Then (λI + Σx·xᵀ)⁻¹ of each arm.
        alone: of each arm the same as lists, [d] and [d²], where they are few and nothing is made
            of the shares: what a row by itself is decided by.
        warm: the shares of a warm start [k], or None when it is over.
        bounds: floors and ceilings of each arm [2, k], or None where there are none.
    """

    live: Live
    snapshot: Snapshot
    arms: list[str]
    forms: Floats
    alone: list[tuple[list[float], list[float]]] | None
    warm: Floats | None
    bounds: Floats | None


class Linear(Bandit):
    """Sends each request to the arm that earns most on requests like it.

    A subclass writes `likely`: the probability of each arm by its expected reward and how little is
    known of it.

    Args:
        columns: what is seen of a request, with its scales: see Context.
        ridge: λ, how much it takes to believe a weight.
        others: see Bandit and Learning.
    """

    def __init__(self, arms: Any, *, columns: Any, ridge: float = 1.0, **shared: Any) -> None:
        super().__init__(arms, **shared)
        self.context = declared(columns)
        if not isinstance(ridge, (int, float)) or not 0 < ridge < float("inf"):
            raise ValueError(f"ridge: expected a number above 0, found {ridge!r}")
        if sum(ceiling for _, ceiling in self.bounds.values()) < 1:
            raise ValueError("arms: ceilings must be 1 together at least")
        self._ridge = float(ridge)
        self._fits: Fits | None = None
        d = self.context.length
        self._upper = np.triu_indices(d)
        self._length = SQUARE + 1 + d + len(self._upper[0])

    def likely(self, means: Floats, deviations: Floats, snapshot: Snapshot) -> Floats:
        """The probability of each arm for each row [m, k], of which the expected reward and the
        root of xᵀA⁻¹x are given [m, k]."""
        raise TypeError(f"{type(self).__name__} does not define likely")

    def likely_alone(
        self, means: list[float], deviations: list[float], snapshot: Snapshot
    ) -> list[float]:
        """`likely` for one row: the same numbers to the bit, as lists [k]."""
        [shares] = self.likely(np.array([means]), np.array([deviations]), snapshot).tolist()
        return list(shares)

    def check(self, definitions: Definitions) -> None:
        self.context.check(definitions)

    def meaning(self) -> dict[str, Any]:
        return {**super().meaning(), "context": self.context.told()}

    def sums(self, decision: Decision, earned: Earned) -> Mapping[str, Sequence[int]]:
        """See Learning."""
        if len(decision.context) != self.context.length:
            raise ValueError("the decision's context is another, or none")
        [(arm, sums)] = super().sums(decision, earned).items()
        x, reward = np.array(decision.context), self.reward.earned(decision, earned)
        return {arm: [*sums, *units(reward * x), *units(np.outer(x, x)[self._upper])]}

    def choose(self, message: Message, live: Live) -> list[Choice]:
        snapshot = self.latest()
        if snapshot is None:
            return [self.fallback(live)] * len(message.rows)
        missing = self.context.missing(message.columns)
        if missing:
            why = f"fallback: no version that is live uses {', '.join(missing)}"
            return [self.choice(CHAMPION, live, 1.0, why)] * len(message.rows)
        fits = self._fits
        if fits is None or fits.snapshot is not snapshot or fits.live is not live:
            fits = self._fits = self._fitted(live, snapshot)
        if not fits.arms:
            return [self.choice(CHAMPION, live, 1.0, "none of the arms is live")] * len(
                message.rows
            )
        return self._chosen(message, fits) if message.rows else []

    def choose_table(self, block: Any, live: Live) -> Any:
        return super(Bandit, self).choose_table(block, live)

    def traffic(self, live: Live, snapshot: Snapshot, contexts: Floats) -> dict[str, Floats]:
        """See Bandit; contexts are as they were logged [n, length]."""
        if contexts.shape[1:] != (self.context.length,):
            raise ValueError("the log has no context of these columns")
        fits = self._fitted(live, snapshot)
        return dict(zip(fits.arms, self._shares(contexts, fits).T, strict=True))

    def _chosen(self, message: Message, fits: Fits) -> list[Choice]:
        numbers, n = self.context.of(message), self.context.length
        if fits.alone is not None and len(numbers) == n:
            shares = [self._alone(numbers, fits.alone, fits.snapshot)]
        else:
            shares = self._shares(np.array(numbers).reshape(-1, n), fits).tolist()
        version, reason = fits.snapshot.head.version, "" if fits.warm is None else WARM
        contexts = [tuple(numbers[at : at + n]) for at in range(0, len(numbers), n)]
        choices, last = [], len(fits.arms) - 1
        for place, x, row in zip(message.places(), contexts, shares, strict=True):
            if 1.0 in row:
                arm = row.index(1.0)  # whatever would be drawn
            else:
                arm = bisect_right(list(accumulate(row)), self.unit(version, place), 0, last)
            choices.append(self.choice(fits.arms[arm], fits.live, row[arm], reason, x))
        return choices

    def _shares(self, seen: Floats, fits: Fits) -> Floats:
        """The probability of each arm for each row [m, k], between floors and ceilings."""
        if fits.warm is not None:
            return np.broadcast_to(fits.warm, (len(seen), len(fits.arms)))
        most = max(1, _AT_ONCE // fits.forms.size)
        if len(seen) <= most:
            shares = self._some(seen, fits)
        else:
            parts = [self._some(seen[at : at + most], fits) for at in range(0, len(seen), most)]
            shares = np.concatenate(parts)
        if fits.bounds is not None:
            shares = np.array([bounded(row, *fits.bounds) for row in shares])
        return shares

    def _some(self, seen: Floats, fits: Fits) -> Floats:
        """Products are summed along the last axis only: a row does not depend on its neighbours.
        Few of them are summed in their order, as those of a row alone are."""
        pairs = (seen[:, :, None] * seen[:, None, :]).reshape(len(seen), 1, -1)
        terms, k = pairs * fits.forms, len(fits.arms)
        few = fits.forms.size <= _FEW
        sums = np.add.accumulate(terms, 2)[:, :, -1] if few else np.add.reduce(terms, 2)
        deviations = np.abs(sums[:, k:])
        return self.likely(sums[:, :k], np.sqrt(deviations, deviations), fits.snapshot)

    def _alone(
        self, x: list[float], arms: list[tuple[list[float], list[float]]], snapshot: Snapshot
    ) -> list[float]:
        """`_some` for a row alone."""
        pairs = [a * b for a in x for b in x]
        means = [_added(pairs, weights) for weights, _ in arms]
        deviations = [math.sqrt(abs(_added(pairs, inverse))) for _, inverse in arms]
        return self.likely_alone(means, deviations, snapshot)

    def _fitted(self, live: Live, snapshot: Snapshot) -> Fits:
        arms = [alias for alias in self.bounds if alias in live.aliases]
        known = total(snapshot.buckets, self.forgetting, self._length)
        nothing = np.zeros(self._length)
        sums = [known.get(self.arm(alias, live.aliases), nothing) for alias in arms]
        lacking = np.array([s[COUNT] < self._warm_start for s in sums], bool)
        bounds = np.array([self.bounds[alias] for alias in arms]).reshape(-1, 2).T
        if bounds[1].sum() < 1:
            bounds[1] = 1.0  # of those that are live somebody must take the rest
        warm = bounded(lacking / lacking.sum(), *bounds) if lacking.any() else None
        made = [self._fit(s) for s in sums]
        forms = np.zeros((2, len(arms), self.context.length**2))
        for arm, (weights, inverse) in enumerate(made):
            forms[0, arm, : len(weights)], forms[1, arm] = weights, inverse
        forms = forms.reshape(2 * len(arms), self.context.length**2)
        free = bool((bounds[0] == 0).all() and (bounds[1] == 1).all())
        alone = None
        if free and warm is None and forms.size <= _FEW:
            alone = [(weights.tolist(), inverse.tolist()) for weights, inverse in made]
        return Fits(live, snapshot, arms, forms, alone, warm, None if free else bounds)

    def _fit(self, sums: Floats) -> tuple[Floats, Floats]:
        """Weights [d] and the inverse, flat [d²], of one arm's sums."""
        d = self.context.length
        products = np.zeros((d, d))
        products[self._upper] = sums[SQUARE + 1 + d :]
        products += np.triu(products, 1).T
        inverse = np.linalg.inv(products + self._ridge * np.eye(d))
        # Its own column of ones: Σx is the first row of Σx·xᵀ.
        weights = inverse @ (sums[SQUARE + 1 : SQUARE + 1 + d] - 0.5 * products[0])
        return weights, inverse.ravel()


def _added(numbers: list[float], factors: list[float]) -> float:
    """The products of the first numbers and all factors, added up in their order."""
    added = 0.0
    for number, factor in zip(numbers, factors, strict=False):
        added += number * factor
    return added
