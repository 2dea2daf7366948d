"""An online stack: a regression on the members' scores, moved by every label."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sluice.routing.aggregation import Aggregation, Combined
from sluice.routing.ensemble_combine import logit
from sluice.routing.rewards import Decision, Earned, place_of
from sluice.routing.snapshot import Snapshot
from sluice.routing.statistics import SQUARE, Floats, total, units
from sluice.team import LOGISTIC

if TYPE_CHECKING:
    from sluice.application import Application

_LIMIT = 8.0  # log-odds of .9997: what lies beyond counts as much


class OnlineStack(Aggregation):
    """The sigmoid of bias + Σ weight · logit(score), for two classes.

    When to use it: as Hedge, where members are better together than the best of them is alone, or
    all of them go wrong in the same direction: the bias follows.

    The weights are one step of a ridge regression away from the plain mean of the members:
    w = w₀ + (H + ridge · I)⁻¹ g, where the gradient g at w₀ and H = ¼ Σ x·xᵀ are sums over labels.
    Sums have no order, so late labels fall into their places, and `forget` lets the weights follow
    the world. H bounds the curvature everywhere, so the step never goes too far: on what it learnt
    from, the loss is less than the mean's. (Wolpert 1992, "Stacked generalization"; Böhning and
    Lindsay 1988, "Monotonicity of quadratic-approximation algorithms".)

    Args:
        ridge: how many labels' worth of curvature it takes to leave the mean.
        others: see Aggregation and Learning; without `forget` it weighs all labels alike.
    """

    policy = "online_stack"

    def __init__(self, arms: Any, *, ridge: float = 10.0, **shared: Any) -> None:
        super().__init__(arms, **shared)
        if not isinstance(ridge, (int, float)) or not 0 < ridge < math.inf:
            raise ValueError(f"ridge: expected a number above 0, found {ridge!r}")
        self._ridge = float(ridge)
        self._d = len(self.bounds) + 1
        self._upper = np.triu_indices(self._d)

    def meaning(self) -> dict[str, Any]:
        return {**super().meaning(), "stack": sorted(self.bounds)}

    def sums(self, decision: Decision, earned: Earned) -> Mapping[str, Sequence[int]]:
        """Of a request that all members answered: n, what the mean earned, the gradient, the
        upper half of the bound of the curvature."""
        found = self.rewards(decision, earned)
        if len(found) < len(self.bounds):
            raise ValueError("not all members answered")
        scores = [decision.scores[decision.aliases[alias]] for alias in sorted(self.bounds)]
        if len(earned.classes) != 2:
            raise ValueError("an online stack is for two classes")
        x = np.array([1.0, *logit(np.array(scores)[:, 0]).clip(-_LIMIT, _LIMIT)])
        mean = 1 / (1 + math.exp(-float(x[1:].mean())))
        reward = float(np.mean(list(found.values())))
        gradient = (place_of(earned.label, earned.classes) - mean) * x
        second = 0.25 * np.outer(x, x)[self._upper]
        sums = [*units([1.0, reward, reward * reward]), *units(gradient), *units(second)]
        return {self._together(decision.aliases): sums}

    def _together(self, aliases: Mapping[str, str]) -> str:
        """What the sums are kept under: of these members together."""
        return "+".join(self.arm(alias, aliases) for alias in sorted(self.bounds))

    def open(self, application: Application) -> None:
        classes = application.live().champion.manifest.classes
        if len(classes or ()) != 2:
            raise ValueError("online_stack is for two classes; hedge takes more, and numbers")
        super().open(application)

    def combined(self, arms: dict[str, str], snapshot: Snapshot) -> Combined:
        weights = np.array([0.0] + [1 / len(arms)] * len(arms))
        if len(arms) == len(self.bounds):
            length = SQUARE + 1 + self._d + len(self._upper[0])
            known = total(snapshot.buckets, self.forgetting, length)
            sums = known.get("+".join(arms[alias] for alias in sorted(arms)))
            if sums is not None:
                weights = weights + self._step(sums)
        by_alias = dict(zip(sorted(arms), weights[1:].tolist(), strict=True))
        return Combined(by_alias, float(weights[0]), LOGISTIC)

    def _step(self, sums: Floats) -> Floats:
        d = self._d
        curvature = np.zeros((d, d))
        curvature[self._upper] = sums[SQUARE + 1 + d :]
        curvature += np.triu(curvature, 1).T
        gradient = sums[SQUARE + 1 : SQUARE + 1 + d]
        step: Floats = np.linalg.solve(curvature + self._ridge * np.eye(d), gradient)
        return step
