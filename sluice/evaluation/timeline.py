"""Traffic and reward per arm over time, by a graph's log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sluice.evaluation.log import Rewarded
from sluice.routing.rewards import Decision, RewardRule
from sluice.routing.statistics import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BINS = 60


class Timeline(NamedTuple):
    """By arm and period.

    Attributes:
        arms: their names [k].
        edges: where periods begin and end, seconds since the epoch [b + 1].
        decisions: how many there were [b].
        traffic: how many decisions went to each arm, or of several that answer together the sum of
            each one's weights [k, b].
        rewards: the mean of those that are known [k, b], NaN where there is none.
        together: whether several answer together.
    """

    arms: list[str]
    edges: Floats
    decisions: Floats
    traffic: Floats
    rewards: Floats
    together: bool = False


class _Part(NamedTuple):
    """What an arm had of a decision."""

    arm: str
    when: float
    share: float
    reward: float


def timeline(found: Sequence[Rewarded], rule: RewardRule, bins: int = BINS) -> Timeline:
    """The log, in so many periods of one length. Raises ValueError for an empty one."""
    if not found:
        raise ValueError("the log has no decision")
    when = np.array([r.decision.when for r in found])
    edges = np.linspace(when.min(), max(float(when.max()), float(when.min()) + 1), bins + 1)
    parts = [part for rewarded in found for part in _parts(rewarded, rule)]
    arms = sorted({part.arm for part in parts})
    numbers = {arm: number for number, arm in enumerate(arms)}
    place = np.array([numbers[part.arm] for part in parts]) * bins
    place += _periods(np.array([part.when for part in parts]), edges)
    share, reward = (np.array([getattr(p, name) for p in parts]) for name in ("share", "reward"))
    known, n, shape = ~np.isnan(reward), len(arms) * bins, (len(arms), bins)
    counts = np.bincount(place[known], minlength=n).reshape(shape)
    sums = np.bincount(place[known], reward[known], n).reshape(shape)
    with np.errstate(invalid="ignore"):
        means = sums / counts
    return Timeline(
        arms,
        edges,
        np.bincount(_periods(when, edges), minlength=bins).astype(float),
        np.bincount(place, share, n).reshape(shape).astype(float),
        means,
        any(_together(rewarded.decision) for rewarded in found),
    )


def _periods(when: Floats, edges: Floats) -> npt.NDArray[np.int64]:
    return np.clip(np.searchsorted(edges, when, "right") - 1, 0, len(edges) - 2)


def _together(decision: Decision) -> bool:
    """Whether several have a part in the answer; who has no weight is watched."""
    return sum(weight != 0 for weight in decision.weights.values()) > 1


def _parts(found: Rewarded, rule: RewardRule) -> Iterator[_Part]:
    """The arm that was chosen; of several that answered together each of them."""
    decision = found.decision
    if not _together(decision):
        yield _Part(decision.arm, decision.when, 1.0, _reward(found, rule))
        return
    for alias, weight in decision.weights.items():
        own = replace(decision, version=decision.aliases[alias])
        yield _Part(alias, decision.when, weight, _reward(found._replace(decision=own), rule))


def _reward(found: Rewarded, rule: RewardRule) -> float:
    if found.earned is None:
        return np.nan
    try:
        return rule.plain(rule.earned(found.decision, found.earned))
    except ValueError:
        return np.nan


def draw(line: Timeline, title: str, file: Path) -> None:
    """Draw it into a file, PNG or SVG by its name: traffic or weights above, reward below."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5.5), layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True)
    middle = ((line.edges[1:] + line.edges[:-1]) / 2 * 1e6).astype("datetime64[us]")
    with np.errstate(invalid="ignore"):
        shares = line.traffic / line.decisions
    if line.together:
        _lines(above, middle, line.arms, shares)
        above.set_ylabel("mean weight")
    else:
        above.stackplot(middle, np.nan_to_num(shares), labels=line.arms, step="mid", alpha=0.85)
        above.set_ylabel("share of the traffic")
        above.set_ylim(0, 1)
    _lines(below, middle, line.arms, line.rewards)
    below.set_ylabel("mean reward")
    below.tick_params(axis="x", labelsize=8, labelrotation=20)
    figure.legend(*above.get_legend_handles_labels(), loc="outside right upper", fontsize=9)
    figure.suptitle(title, fontsize=10)
    figure.savefig(file, dpi=120)


def _lines(panel: Axes, middle: Any, arms: Sequence[str], values: Floats) -> None:
    for arm, own in zip(arms, values, strict=True):
        panel.plot(middle, own, marker=".", markersize=4, linewidth=1, label=arm)
    panel.grid(alpha=0.3)
