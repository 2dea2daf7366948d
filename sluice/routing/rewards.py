"""What a decision earned: from feedback that says so, or from a label and what models answered."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sluice.declaration import Section
from sluice.live import CHAMPION

Scores = Sequence[float]  # of one model version for one row, as Message.scores has them


@dataclass(frozen=True)
class Decision:
    """A choice that was made, and what is needed to say what it earned.

    Attributes:
        place: the request's id and the record's place, "id/0".
        when: of the request, seconds since the epoch.
        policy, arm, propensity: as the router chose; `arm` is an alias.
        version: the number of the version that answered.
        aliases: the number of each alias whose scores are known.
        scores: by version, what it answered [k].
        context: what a contextual policy saw [d].
        weights: of the members of a team, by alias.
    """

    place: str
    when: float
    policy: str
    arm: str
    version: str
    propensity: float
    aliases: Mapping[str, str]
    scores: Mapping[str, Scores]
    context: tuple[float, ...] = ()
    weights: Mapping[str, float] = field(default_factory=dict)


class Earned(NamedTuple):
    """What feedback says of a decision: its own reward, or a label, and the model's classes."""

    reward: float | None
    label: Any
    classes: Sequence[Any]


@dataclass(frozen=True)
class RewardRule:
    """How feedback becomes a reward.

    Attributes:
        of: `reward`: the feedback's own; or made of its label and the answer: `accuracy` (1 or
            0), `brier` (1 less the Brier score, halved for more than two classes), `log_loss`
            (less than 0), `squared` and `absolute` (the error of a number, less than 0).
        relative: less what the champion would have earned on the same request.
        low, high: what a reward lies between. Feedback outside of it is refused; what is made of a
            label is cut off there.
        within_s: a reward counts that comes so long after its decision, seconds.
    """

    of: str = "reward"
    relative: bool = False
    low: float = 0.0
    high: float = 1.0
    within_s: float = 7 * 86_400.0

    @classmethod
    def parse(cls, section: Section) -> RewardRule:
        """What a declaration says. Raises DeclarationError."""
        of = section.choose("of", ("reward", *_RANGES), cls.of)
        relative = section.take("relative", bool, False)
        least, most = _RANGES.get(of, (cls.low, cls.high))
        low, high = section.take("low", float, least), section.take("high", float, most)
        within = section.duration("within", cls.within_s)
        section.done()
        if low is None or not -math.inf < low < high < math.inf:
            raise section.error("low", f"expected two numbers, low < high; found {low}, {high}")
        if relative and of == "reward":
            hint = f"of: {', '.join(_RANGES)}"
            raise section.error("relative", "needs a reward that is made of a label", hint)
        return cls(of, relative, low, high, within)

    @property
    def told(self) -> tuple[Any, ...]:
        """What the meaning of a reward depends on."""
        return self.of, self.relative, self.low, self.high

    def unit(self, reward: float, against: float | None = None) -> float:
        """A reward, or its difference to another, on a scale from 0 to 1."""
        span = self.high - self.low
        if against is None:
            return (reward - self.low) / span
        return (reward - against) / (2 * span) + 0.5

    def earned(self, decision: Decision, earned: Earned) -> float:
        """A decision's reward on a scale from 0 to 1. Raises ValueError for one without."""
        if self.of == "reward":
            if earned.reward is None:
                raise ValueError("has no reward")
            if not self.low <= earned.reward <= self.high:
                raise ValueError(f"the reward {earned.reward} is not {self.low} to {self.high}")
            return self.unit(earned.reward)
        if earned.label is None:
            raise ValueError("has no label")
        mine = self._by_label(decision, decision.version, earned)
        if not self.relative:
            return self.unit(mine)
        champion = decision.aliases.get(CHAMPION, decision.version)
        return self.unit(mine, self._by_label(decision, champion, earned))

    def _by_label(self, decision: Decision, version: str, earned: Earned) -> float:
        if version not in decision.scores:
            raise ValueError(f"what version {version} answered is not known")
        return self.of_label(decision.scores[version], earned.label, earned.classes)

    def plain(self, unit: float) -> float:
        """What `unit` made of a reward, or of a difference, undone."""
        span = self.high - self.low
        return (unit - 0.5) * 2 * span if self.relative else self.low + unit * span

    def of_label(self, scores: Scores, label: Any, classes: Sequence[Any]) -> float:
        """The reward of a model's scores. Raises ValueError for a label that is no class."""
        reward = _MADE[self.of](*_seen(scores, label, classes))
        return min(max(reward, self.low), self.high)


def _seen(scores: Scores, label: Any, classes: Sequence[Any]) -> tuple[list[float], float]:
    """The probabilities of all classes and the label's place, or a prediction and the label."""
    if not classes:
        return [float(scores[0])], float(label)
    if len(scores) == 1:
        scores = [1 - scores[0], scores[0]]
    return list(map(float, scores)), place_of(label, classes)


def place_of(label: Any, classes: Sequence[Any]) -> int:
    """Which class a label is. Raises ValueError for none of them."""
    for place, known in enumerate(classes):
        if known == label and isinstance(known, bool) == isinstance(label, bool):
            return place
    raise ValueError(f"the label {label!r} is none of the model's classes")


def _accuracy(p: list[float], place: float) -> float:
    if len(p) == 2:
        return float((p[1] >= 0.5) == bool(place))
    return float(max(range(len(p)), key=p.__getitem__) == place)


def _brier(p: list[float], place: float) -> float:
    return 1 - sum((q - (i == place)) ** 2 for i, q in enumerate(p)) / 2


def _log_loss(p: list[float], place: float) -> float:
    return math.log(max(p[int(place)], 1e-12))


_MADE: Mapping[str, Callable[[list[float], float], float]] = {
    "accuracy": _accuracy,
    "brier": _brier,
    "log_loss": _log_loss,
    "squared": lambda p, label: -((p[0] - label) ** 2),
    "absolute": lambda p, label: -abs(p[0] - label),
}
_RANGES: Mapping[str, tuple[float | None, float]] = {
    "accuracy": (0.0, 1.0),
    "brier": (0.0, 1.0),
    "log_loss": (-5.0, 0.0),
    "squared": (None, 0.0),
    "absolute": (None, 0.0),
}
