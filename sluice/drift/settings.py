"""What a graph declares of drift: spec.parameters.sluice.drift in its graph.yaml (docs/drift.md).

drift:
  features: [distance, weather.temp]  # or all, the default; scores are score[0] and so on
  ignore: [tailnum]
  season: {weather.temp: month}       # or one for all; month, hour_of_week
  min_rows: 200                       # a window with fewer rows of a feature is not judged
  effect: 0.03                        # so many of all rows have to be elsewhere, at least
  level: 0.00001                      # how often chance may raise a window, all features together
  inflation: 12                       # rows that are worth one; without it, from the reference
  changes: {detectors: [calibration, model.calibration], gap: 0.04}
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from sluice.declaration import Section
from sluice.drift.season import ALL, SEASONS

Number = TypeVar("Number", int, float)
DETECTORS = ("calibration", "page_hinkley", "adwin", "hddm")
MODEL = "model."  # before a detector's name: it judges the model's own answers


@dataclass(frozen=True)
class ChangeSettings:
    """Which detectors watch the days, and when they speak (performance.py).

    Attributes:
        detectors: of DETECTORS; they judge what was served. With MODEL before its name one judges
            what the model itself answered, before a correction.
        days, gap, z: calibration: over so many days the mean of predictions is off by more than
            `gap`, and by more than z standard errors of the days.
        apart: days between two changes that one detector reports.
        baseline: days in the beginning, of which the others learn what is usual.
        delta, threshold: Page–Hinkley's, in standard deviations of the usual days.
        confidence: of ADWIN (its delta) and of HDDM.
    """

    detectors: tuple[str, ...] = ("calibration",)
    days: int = 14
    gap: float = 0.04
    z: float = 2.0
    apart: int = 14
    baseline: int = 28
    delta: float = 0.5
    threshold: float = 20.0
    confidence: float = 0.002

    def judging(self, own: bool) -> ChangeSettings:
        """The same, with the detectors alone that judge what was served, or the model's `own`."""
        names = tuple(name for name in self.detectors if name.startswith(MODEL) == own)
        return replace(self, detectors=names)

    @classmethod
    def parse(cls, section: Section) -> ChangeSettings:
        """The settings in a section. Raises DeclarationError naming the field."""
        settings = cls(
            detectors=_detectors(section),
            days=_within(section, "days", cls.days, 2, 366),
            gap=_share(section, "gap", cls.gap),
            z=_within(section, "z", cls.z, 0, 100),
            apart=_within(section, "apart", cls.apart, 1, 366),
            baseline=_within(section, "baseline", cls.baseline, 7, 366),
            delta=_within(section, "delta", cls.delta, 0, 100),
            threshold=_within(section, "threshold", cls.threshold, 0.1, 1e6),
            confidence=_share(section, "confidence", cls.confidence),
        )
        section.done()
        return settings


@dataclass(frozen=True)
class DriftSettings:
    """When a window's counts are called another distribution than the reference's.

    Attributes:
        features: the names to watch; None is all that the reference has.
        ignore: names that are left out.
        season: by feature, or "" for all others: what it is compared by.
        min_rows: a window with fewer rows is not judged.
        effect: a feature has drifted only where at least this share of its rows is elsewhere.
        level: how likely chance alone may raise any feature of one window.
        inflation: how many dependent rows are worth one; None takes what the reference says.
        changes: of performance.
    """

    features: tuple[str, ...] | None = None
    ignore: tuple[str, ...] = ()
    season: Mapping[str, str] = field(default_factory=dict)
    min_rows: int = 200
    effect: float = 0.03
    level: float = 1e-5
    inflation: float | None = None
    changes: ChangeSettings = ChangeSettings()

    @classmethod
    def parse(cls, section: Section) -> DriftSettings:
        """The settings in a section. Raises DeclarationError naming the field."""
        features = section.take("features", (str, list), "all")
        if isinstance(features, str) and features != "all":
            raise section.error("features", f"unknown value {features!r}", "all, or a list")
        settings = cls(
            features=None if features == "all" else _names(section, "features", features),
            ignore=_names(section, "ignore", section.take("ignore", list, [])),
            season=_season(section),
            min_rows=_within(section, "min_rows", cls.min_rows, 1, 10**9),
            effect=_share(section, "effect", cls.effect),
            level=_share(section, "level", cls.level),
            inflation=_inflation(section),
            changes=ChangeSettings.parse(section.section("changes", {})),
        )
        section.done()
        return settings

    def watched(self, names: Iterable[str]) -> list[str]:
        """Of the names that a reference has, and of those declared, which are compared."""
        wanted = list(names) if self.features is None else self.features
        return [name for name in wanted if name not in self.ignore]

    def season_of(self, name: str) -> str:
        """What a feature is compared by."""
        return self.season.get(name, self.season.get("", ALL))


def _names(section: Section, field: str, names: list[object]) -> tuple[str, ...]:
    for name in names:
        if not isinstance(name, str):
            raise section.error(field, f"expected names of features, found {name!r}")
    return tuple(str(name) for name in names)


def _season(section: Section) -> dict[str, str]:
    kinds = [name for name in SEASONS if name != ALL]
    declared = section.take("season", (str, Mapping), {})
    by_feature = {"": declared} if isinstance(declared, str) else declared
    for name, kind in by_feature.items():
        if kind not in kinds:
            where = f"season.{name}" if name else "season"
            raise section.error(where, f"unknown value {kind!r}", f"there are {', '.join(kinds)}")
    return dict(by_feature)


def _inflation(section: Section) -> float | None:
    value = section.take("inflation", (int, float), None)
    if value is not None and value < 1:
        raise section.error("inflation", f"expected 1 or more, found {value}")
    return value if value is None else float(value)


def _detectors(section: Section) -> tuple[str, ...]:
    names = section.take("detectors", list, list(ChangeSettings.detectors))
    for name in names:
        if str(name).removeprefix(MODEL) not in DETECTORS:
            hint = f"there are {', '.join(DETECTORS)}; {MODEL}{DETECTORS[0]} judges the model's own"
            raise section.error("detectors", f"unknown value {name!r}", hint)
    return tuple(names)


def _share(section: Section, field: str, default: float) -> float:
    return _within(section, field, default, 0.0, 1.0)


def _within(section: Section, field: str, default: Number, least: float, most: float) -> Number:
    value: Number = section.take(field, type(default), default)
    if not least <= value <= most:
        raise section.error(field, f"expected {least:g} to {most:g}, found {value}")
    return value
