"""A bet against an assumption: the e-process behind each verdict.

Who bets on a fair or unfavourable game cannot grow rich: that the capital ever reaches 1/α has a
probability of α at most, whenever and however often one looks (Ville 1939). The game here is the
difference between two versions. A request goes to the challenger with probability p, and shows a
value v between 0 and 1 (failed, slow, its loss). With any centre c that was known before,

    z = (v − c) · (1/p if the challenger answered, else −1/(1−p))

has the mean difference between the versions as its expectation, whatever the traffic does in the
meantime: versions are compared on requests of the same moment, by the propensity that was logged.
The capital is multiplied by 1 + λ(z − margin) for each request. Which λ is best depends on the
truth, so the capital is spread over several, geometrically.

Betting: Waudby-Smith and Ramdas 2024, "Estimating means of bounded random variables by betting";
with propensities: Waudby-Smith, Wu, Ramdas, Karampatziakis and Mineiro 2024, "Anytime-valid
off-policy inference for contextual bandits"; why peeking is allowed: Johari, Koomen, Pekelis and
Walsh 2022, "Always valid inference"; Howard, Ramdas, McAuliffe and Sekhon 2021, "Time-uniform,
nonparametric, nonasymptotic confidence sequences".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
FRACTIONS = 0.5 ** np.arange(1.0, 11.0)  # of the largest λ that can never lose all


class Value(NamedTuple):
    """What a request showed: the challenger's probability of it, whether it was its, 0 to 1."""

    share: float
    challenger: bool
    value: float


class Capital(msgspec.Struct, frozen=True):
    """What became of bets; a new one begins with 1, in equal parts.

    Attributes:
        worse: by fraction, the logarithm of a bet that the difference is above the margin.
        better: likewise, that it is below; it is played only where there is a margin.
        n, total: of the values so far: their mean is the centre of the next one.
    """

    worse: tuple[float, ...] = (0.0,) * len(FRACTIONS)
    better: tuple[float, ...] = (0.0,) * len(FRACTIONS)
    n: int = 0
    total: float = 0.0

    @property
    def against(self) -> float:
        """The logarithm of the evidence that the challenger is worse by more than the margin."""
        return _mean(self.worse)

    @property
    def in_favour(self) -> float:
        """The logarithm of the evidence that it is not worse by the margin."""
        return _mean(self.better)

    def bet(self, values: Sequence[Value], margin: float = 0.0) -> Capital:
        """After these values; in how many calls they come makes no difference, to the bit."""
        share, challenger, value = _columns(values)
        totals = np.cumsum(np.concatenate([[self.total], value]))
        centre = totals[:-1] / (self.n + 1 + np.arange(len(value)))
        weight = np.where(challenger, 1 / share, -1 / (1 - share))
        z = (value - centre) * weight
        least = np.maximum(centre / share, (1 - centre) / (1 - share)) + margin
        most = np.maximum((1 - centre) / share, centre / (1 - share))
        worse = _grown(self.worse, (z - margin) / least)
        better = _grown(self.better, (margin - z) / most) if margin else self.better
        return Capital(worse, better, self.n + len(value), float(totals[-1]))

    def bet_on_absence(self, values: Sequence[Value]) -> Capital:
        """A bet that fewer requests come from the challenger than were sent to it.

        After Lindon and Malek 2022, "Anytime-valid inference for multinomial count data".
        """
        share, challenger, _ = _columns(values)
        worse = _grown(self.worse, (share - challenger) / (1 - share))
        return Capital(worse, self.better, self.n + len(values), self.total)


def _columns(values: Sequence[Value]) -> tuple[Floats, Floats, Floats]:
    table = np.array(values, np.float64).reshape(-1, 3)
    return table[:, 0], table[:, 1], table[:, 2]


def _grown(logs: Sequence[float], gains: Floats) -> tuple[float, ...]:
    """The logarithms after bets that can lose 1 at most; added up one after the other."""
    steps = np.log1p(FRACTIONS * gains[:, None])
    return tuple(np.cumsum(np.concatenate([np.array([logs]), steps]), 0)[-1].tolist())


def _mean(logs: Sequence[float]) -> float:
    top = max(logs)
    return top + math.log(sum(math.exp(one - top) for one in logs) / len(logs))
