"""Comparing a window's counts with a version's reference: feature by feature, then all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sluice.drift import measures, significance
from sluice.drift.dependence import inflation
from sluice.drift.distribution import NULL, NUMBER, OTHER, Bins, Floats
from sluice.drift.reference import Reference, Sample
from sluice.drift.season import DAY
from sluice.drift.settings import DriftSettings

Span = tuple[float, float]


@dataclass(frozen=True)
class FeatureDrift:
    """One feature (or score) of a window beside its reference.

    Attributes:
        name, kind: of the feature; "number" or "text".
        cells, counts, shares, expected: of each cell what it holds, the window's rows, their
            share, and the reference's share.
        rows, reference_rows: how many there are.
        effective_rows: how many independent ones the window's are worth.
        season: what it was compared by.
        judged: whether it could be judged; where not, `why` says why.
        measures: psi and psi_limit (what chance alone exceeds at the level), jensen_shannon, nulls
            (the share), chi_squared; of numbers also kolmogorov_smirnov, wasserstein and moved (in
            standard deviations of the reference).
        p, adjusted: how likely by chance, alone and among all features.
        effect: the share of rows that are elsewhere.
        drifted: adjusted <= level and effect >= the least effect that is declared.
        why: what has moved, in words.
    """

    name: str
    kind: str = ""
    cells: Sequence[str] = ()
    counts: Sequence[int] = ()
    shares: Sequence[float] = ()
    expected: Sequence[float] = ()
    rows: int = 0
    reference_rows: int = 0
    effective_rows: float = 0.0
    season: str = ""
    judged: bool = False
    why: str = ""
    measures: Mapping[str, float] = field(default_factory=dict)
    p: float = 1.0
    adjusted: float = 1.0
    effect: float = 0.0
    drifted: bool = False


@dataclass(frozen=True)
class DriftReport:
    """A window beside its reference.

    Attributes:
        drifted: whether any feature has; a feature is never averaged with others.
        names: those that have, the largest effect first.
        p: how likely chance alone makes the most unlikely feature so.
        features: each one that is watched.
        unjudged: of which nothing can be said, and why.
        level, effect: as declared.
    """

    drifted: bool
    names: Sequence[str]
    p: float
    features: Sequence[FeatureDrift]
    unjudged: Mapping[str, str]
    level: float
    effect: float

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return asdict(self)


def compare(
    reference: Reference,
    counts: Mapping[str, npt.NDArray[np.int64]],
    *,
    settings: DriftSettings,
    span: Span | None = None,
) -> DriftReport:
    """What has moved in a window since training.

    Args:
        reference: of the version that answered.
        counts: by feature, the window's rows in each cell of `reference.bins`.
        settings: as declared.
        span: of the window, from when to just before when, seconds since the epoch. Without it a
            feature with a season is not judged, and the window is taken to be of one day.

    Raises ValueError for counts that are not of the reference's cells.
    """
    names = settings.watched(reference.bins)
    features = [_feature(name, reference, counts, settings, span) for name in names]
    judged = [f for f in features if f.judged]
    adjusted = significance.holm([f.p for f in judged])
    verdicts = {
        f.name: replace(f, adjusted=p, drifted=p <= settings.level and f.effect >= settings.effect)
        for f, p in zip(judged, adjusted, strict=True)
    }
    drifted = sorted((f for f in verdicts.values() if f.drifted), key=lambda f: -f.effect)
    return DriftReport(
        drifted=bool(drifted),
        names=[f.name for f in drifted],
        p=min(adjusted, default=1.0),
        features=[verdicts.get(f.name, f) for f in features],
        unjudged={f.name: f.why for f in features if not f.judged},
        level=settings.level,
        effect=settings.effect,
    )


def _feature(
    name: str,
    reference: Reference,
    counts: Mapping[str, npt.NDArray[np.int64]],
    settings: DriftSettings,
    span: Span | None,
) -> FeatureDrift:
    bins, season = reference.bins.get(name), settings.season_of(name)
    if bins is None:
        return FeatureDrift(name, season=season, why="not in the version's reference")
    window = counts.get(name, np.zeros(len(bins), np.int64))
    if len(window) != len(bins):
        raise ValueError(f"{name}: {len(window)} counts for {len(bins)} cells")
    sample = reference.sample(name, season, span or (0.0, 0.0))
    plain = _beside(name, bins, window, sample, season)
    if sample is None or plain.rows < settings.min_rows:
        few = f"{plain.rows} rows, {settings.min_rows} are needed"
        why = few if sample is not None else f"training had no rows of this {season}"
        return replace(plain, why=why)
    days = (span[1] - span[0]) / DAY if span else 1.0
    return _judged(plain, bins, sample, _inflations(plain.rows, days, sample, settings), settings)


def _beside(
    name: str,
    bins: Bins,
    window: npt.NDArray[np.int64],
    sample: Sample | None,
    season: str,
) -> FeatureDrift:
    known = bins.reference if sample is None else measures.shares(sample.counts)
    return FeatureDrift(
        name=name,
        kind=bins.kind,
        cells=bins.names,
        counts=window.tolist(),
        shares=measures.shares(window.astype(np.float64)).tolist(),
        expected=known.tolist(),
        rows=int(window.sum()),
        reference_rows=0 if sample is None else round(float(sample.counts.sum())),
        effective_rows=float(window.sum()),
        season=season,
    )


def _inflations(
    rows: int, days: float, sample: Sample, settings: DriftSettings
) -> tuple[float, float]:
    """How many rows are worth one, of the window and of its reference."""
    if settings.inflation is not None:
        return settings.inflation, settings.inflation
    known = sample.correlation or 0.0
    return (
        inflation(rows, days, known),
        inflation(float(sample.counts.sum()), sample.clusters, known),
    )


def _judged(
    plain: FeatureDrift,
    bins: Bins,
    sample: Sample,
    inflations: tuple[float, float],
    settings: DriftSettings,
) -> FeatureDrift:
    window = np.asarray(plain.counts, np.float64) / inflations[0]
    known = sample.counts / inflations[1]
    of_cells = significance.of_cells(window, known)
    statistic, of_chi_squared = significance.of_chi_squared(window, known)
    tests = [min(float(of_cells.min()) * len(bins), 1.0), of_chi_squared]
    figures = _figures(np.asarray(plain.counts, np.float64), sample.counts, bins)
    figures["chi_squared"] = statistic
    used = int(np.count_nonzero(window + known))
    figures["psi_limit"] = significance.psi_limit(
        float(window.sum()), float(known.sum()), used, settings.level
    )
    if bins.kind == NUMBER:
        tests.append(significance.of_kolmogorov_smirnov(window[:-1], known[:-1]))
    shares, expected = np.asarray(plain.shares), np.asarray(plain.expected)
    return replace(
        plain,
        judged=True,
        why=_why(plain, figures, window, known),
        effective_rows=float(window.sum()),
        measures=figures,
        p=min(min(tests) * len(tests), 1.0),  # Bonferroni over the tests
        effect=measures.total_variation(shares, expected),
    )


def _figures(window: Floats, known: Floats, bins: Bins) -> dict[str, float]:
    p, q = measures.shares(window), measures.shares(known)
    figures = {
        "psi": measures.psi(measures.smoothed(window), measures.smoothed(known)),
        "jensen_shannon": measures.jensen_shannon(p, q),
        "nulls": float(p[-1]),
    }
    if bins.kind == NUMBER:
        p, q = measures.shares(window[:-1]), measures.shares(known[:-1])
        figures["kolmogorov_smirnov"] = measures.kolmogorov_smirnov(p, q)
        figures["wasserstein"] = measures.wasserstein(p, q, bins.positions) / bins.spread
        figures["moved"] = measures.moved(p, q, bins.positions) / bins.spread
    return figures


_CELLS = {NULL: "nulls", OTHER: "unknown categories"}


def _why(plain: FeatureDrift, figures: Mapping[str, float], window: Floats, known: Floats) -> str:
    """The cell that stands out most, and for numbers which way they moved."""
    expected = (window + known) * window.sum() / (window.sum() + known.sum())
    residuals = np.abs(window - expected) / np.sqrt(np.maximum(expected, 1e-12))
    place = int(residuals.argmax())
    cell = plain.cells[place]
    last = place >= len(plain.cells) - 2
    name = _CELLS.get(cell, cell) if last else cell
    told = f"{name}: {plain.expected[place]:.1%} → {plain.shares[place]:.1%}"
    moved = figures.get("moved", 0.0)
    if abs(moved) >= 0.1:
        way = "up" if moved > 0 else "down"
        told += f"; the mean moved {way} by {abs(moved):.2f} standard deviations"
    return told
