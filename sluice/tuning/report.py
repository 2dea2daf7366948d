"""What a sweep found: means over questions, the frontier, and the setting that was chosen.

Everything is chosen on the validation split. The test split only says what came of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sluice.coded import Array
from sluice.tuning.judge import Measured
from sluice.tuning.results import Done
from sluice.tuning.sweep import Setting
from sluice.tuning.tuning import SPLITS

RESAMPLES = 1000
# +1: more is better. Less age is fresher.
BETTER = {"ndcg": 1, "diversity": 1, "age": -1, "share": 1, "exposure": 1}
GAINS = ("diversity", "age", "exposure")  # what relevance is given for
HEADINGS = (
    "#", "setting", "ndcg", "± 95 %", "diversity", "age", "share", "exposure",
    "test ndcg", "± 95 %", "diversity", "age", "share", "exposure", "", "frontier",
)  # fmt: skip


@dataclass(frozen=True)
class Means:
    """The means of one setting over the questions of one split.

    price is how much lower its NDCG is than that of the setting as declared, and price_low and
    price_high hold 95 % of that difference over resampled questions.
    """

    measured: Measured
    price: float
    price_low: float
    price_high: float
    questions: int


@dataclass(frozen=True)
class Tried:
    """A setting, its means by split, and what the validation split says of it: in which of GAINS it
    is on the frontier, and whether it is the one that was chosen."""

    setting: Setting
    means: Mapping[str, Means]
    frontier: Sequence[str]
    chosen: bool


def report(tried: Sequence[Setting], done: Done, allowed: float, seed: int) -> list[Tried]:
    """The settings with their means; the first is the graph as it is declared.

    A setting is on the frontier of a gain unless another is as good in it and in NDCG, and better
    in one of them. The chosen one costs at most the share `allowed` of the best NDCG and brings the
    most: its diversity, freshness and exposure of the group, each from 0 to 1 over the sweep, are
    added.
    """
    columns = {split: _columns(tried, done, split) for split in SPLITS}
    means = {split: _means(values, seed) for split, values in columns.items()}
    validation = np.array([m.measured for m in means["validation"]])
    good = validation * np.array([BETTER[name] for name in Measured._fields])
    chosen = _choose(good, allowed)
    return [
        Tried(setting, {s: means[s][at] for s in SPLITS}, _frontiers(good, at), at == chosen)
        for at, setting in enumerate(tried)
    ]


def _columns(tried: Sequence[Setting], done: Done, split: str) -> Array:
    """The measures [settings, questions, 5]."""
    places = sorted(place for of, place in done if of == split)
    return np.array([[done[split, place][s.name] for place in places] for s in tried])


def _means(values: Array, seed: int) -> list[Means]:
    with np.errstate(invalid="ignore"):
        mean = np.nanmean(values, axis=1)
    price = values[0, :, 0] - values[:, :, 0]  # of each question: the same ones, so pairs
    n = price.shape[1]
    draws = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), RESAMPLES) / n
    low, high = np.quantile(price @ draws.T, [0.025, 0.975], axis=1)
    rows = zip(mean.tolist(), price.mean(axis=1).tolist(), low.tolist(), high.tolist(), strict=True)
    return [Means(Measured(*row), p, lo, hi, n) for row, p, lo, hi in rows]


def _frontiers(good: Array, at: int) -> list[str]:
    found = []
    for gain in GAINS:
        both = good[:, [0, Measured._fields.index(gain)]]
        as_good, better = (both >= both[at]).all(axis=1), (both > both[at]).any(axis=1)
        if not (as_good & better).any():
            found.append(gain)
    return found


def _choose(good: Array, allowed: float) -> int:
    names = list(Measured._fields)
    gains = good[:, [names.index(name) for name in GAINS]]
    low, high = gains.min(axis=0), gains.max(axis=0)
    brings = ((gains - low) / np.where(high > low, high - low, 1)).sum(axis=1)
    relevance = good[:, names.index("ndcg")]
    brings[relevance < (1 - allowed) * relevance.max()] = -np.inf
    return int(brings.argmax())


def rows(tried: Sequence[Tried]) -> list[list[Any]]:
    """A row per setting, under HEADINGS; the picture has their numbers."""
    return [
        [
            number,
            one.setting.name,
            *_cells(one.means["validation"]),
            *_cells(one.means["test"]),
            "chosen" if one.chosen else "",
            ", ".join(one.frontier),
        ]
        for number, one in enumerate(tried)
    ]


def _cells(means: Means) -> list[str]:
    found, half = means.measured, (means.price_high - means.price_low) / 2
    told = [f"{found.ndcg:.4f}", f"{half:.4f}", f"{found.diversity:.3f}", f"{found.age:.1f}"]
    return [*told, f"{found.share:.3f}", f"{found.exposure:.3f}"]


def as_data(tried: Sequence[Tried]) -> list[dict[str, Any]]:
    """The settings as JSON."""
    return [
        {
            "number": number,
            "setting": one.setting.name,
            "changed": dict(one.setting.changed),
            "rules": list(one.setting.rules),
            "frontier": list(one.frontier),
            "chosen": one.chosen,
            **{split: _told(means) for split, means in one.means.items()},
        }
        for number, one in enumerate(tried)
    ]


def _told(means: Means) -> dict[str, Any]:
    price = {"mean": means.price, "low": means.price_low, "high": means.price_high}
    return {**means.measured._asdict(), "price": price, "questions": means.questions}
