"""Traffic and reward per arm over time, by a graph's log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sluice.evaluation.log import Rewarded
from sluice.routing.rewards import RewardRule
from sluice.routing.statistics import Floats

BINS = 60


@dataclass(frozen=True)
class Timeline:
    """By arm and period.

    Attributes:
        arms: their names [k].
        edges: where periods begin and end, seconds since the epoch [b + 1].
        traffic: how many decisions went to each arm [k, b].
        rewards: the mean of those that are known [k, b], NaN where there is none.
    """

    arms: list[str]
    edges: Floats
    traffic: Floats
    rewards: Floats


def timeline(found: Sequence[Rewarded], rule: RewardRule, bins: int = BINS) -> Timeline:
    """The log, in so many periods of one length. Raises ValueError for an empty one."""
    if not found:
        raise ValueError("the log has no decision")
    when = np.array([r.decision.when for r in found])
    edges = np.linspace(when.min(), max(float(when.max()), float(when.min()) + 1), bins + 1)
    period = np.clip(np.searchsorted(edges, when, "right") - 1, 0, bins - 1)
    arms = sorted({r.decision.arm for r in found})
    arm = np.array([arms.index(r.decision.arm) for r in found])
    reward = np.array([_reward(r, rule) for r in found])
    known = ~np.isnan(reward)
    shape, place = (len(arms), bins), arm * bins + period
    traffic = np.bincount(place, minlength=len(arms) * bins).reshape(shape)
    counts = np.bincount(place[known], minlength=len(arms) * bins).reshape(shape)
    sums = np.bincount(place[known], reward[known], len(arms) * bins).reshape(shape)
    with np.errstate(invalid="ignore"):
        means = sums / counts
    return Timeline(arms, edges, traffic.astype(float), means)


def _reward(found: Rewarded, rule: RewardRule) -> float:
    if found.earned is None:
        return np.nan
    try:
        return rule.plain(rule.earned(found.decision, found.earned))
    except ValueError:
        return np.nan


def draw(line: Timeline, title: str, file: Path) -> None:
    """Draw it into a file, PNG or SVG by its name: traffic above, reward below."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5.5), layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True)
    middle = ((line.edges[1:] + line.edges[:-1]) / 2 * 1e6).astype("datetime64[us]")
    shares = line.traffic / np.maximum(line.traffic.sum(0), 1)
    above.stackplot(middle, shares, labels=line.arms, step="mid", alpha=0.85)
    above.set_ylabel("share of the traffic")
    above.set_ylim(0, 1)
    for arm, rewards in zip(line.arms, line.rewards, strict=True):
        below.plot(middle, rewards, marker=".", markersize=4, linewidth=1, label=arm)
    below.set_ylabel("mean reward")
    below.grid(alpha=0.3)
    below.tick_params(axis="x", labelsize=8, labelrotation=20)
    figure.legend(*above.get_legend_handles_labels(), loc="outside right upper", fontsize=9)
    figure.suptitle(title, fontsize=10)
    figure.savefig(file, dpi=120)
