"""Changes for the worse in how well a version answers, from one row of figures per day.

Per day, not per event: errors of one day depend on each other, so a detector that is fed events
takes every difficult day for a change. Imports river when called, for three of the detectors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from sluice.drift.distribution import Floats
from sluice.drift.season import DAY
from sluice.drift.settings import MODEL, ChangeSettings


@dataclass(frozen=True)
class Day:
    """What came of the labelled requests of a day.

    Attributes:
        when: its beginning, seconds since the epoch.
        n: labelled rows.
        loss: their mean loss (log loss, Brier, |error|).
        prediction: the mean of what was predicted (a probability, or a number).
        observed: the mean of what came true.
    """

    when: float
    n: int
    loss: float
    prediction: float
    observed: float


@dataclass(frozen=True)
class Change:
    """A change that a detector has seen.

    Attributes:
        detector: its name.
        when: the day on which it is certain.
        since: the day with which it most likely began.
        value, usual: the figure since then, and before it: of the calibration the mean of the
            predictions less what came true, of the others the mean loss.
        why: the same in words.
    """

    detector: str
    when: float
    since: float
    value: float
    usual: float
    why: str


class _Detector(Protocol):
    """river's detectors: no base class, so that river is imported only where it is used."""

    @property
    def drift_detected(self) -> bool: ...

    def update(self, x: float) -> object: ...


def changes(days: Sequence[Day], settings: ChangeSettings) -> list[Change]:
    """What the declared detectors have seen in the days, in the order of time.

    Days without a labelled row are passed over. All days are of one version: what has been
    retrained begins anew; and all are of what was served, or of what the model itself answered:
    see ChangeSettings.judging.
    """
    known = sorted((day for day in days if day.n > 0), key=lambda day: day.when)
    found = [
        replace(change, detector=name)
        for name in settings.detectors
        for change in _SEEN[name.removeprefix(MODEL)](known, settings)
    ]
    return sorted(found, key=lambda change: change.when)


def _calibration(days: Sequence[Day], settings: ChangeSettings) -> Iterator[Change]:
    """The mean of predictions is off what came true, and not by the chance of some days.

    The z is that of the mean of the daily differences by their own spread, so that it knows
    that the rows of a day depend on each other. At least half of the days have labels.
    """
    length = settings.days * DAY
    last = -np.inf
    for place, day in enumerate(days):
        if day.when - days[0].when < length - DAY or day.when - last < settings.apart * DAY:
            continue
        recent = [d for d in days[: place + 1] if d.when > day.when - length]
        if 2 * len(recent) < settings.days:
            continue
        apart = np.array([d.prediction - d.observed for d in recent])
        gap, error = float(apart.mean()), float(apart.std(ddof=1)) / len(apart) ** 0.5
        if abs(gap) > settings.gap and abs(gap) > settings.z * error:
            last = day.when
            why = f"{len(recent)} days: predicted {gap:+.3f} beside what came true"
            yield Change("calibration", day.when, recent[0].when, gap, 0.0, why)


def _detected(
    name: str, make: Callable[[ChangeSettings], _Detector]
) -> Callable[[Sequence[Day], ChangeSettings], Iterator[Change]]:
    """A detector of river, fed with the daily loss in standard deviations of the usual days."""

    def seen(days: Sequence[Day], settings: ChangeSettings) -> Iterator[Change]:
        loss = np.array([day.loss for day in days])
        if len(loss) <= settings.baseline:
            return
        usual = loss[: settings.baseline]
        values = (loss - usual.mean()) / _scale(usual)
        detector, start, last = make(settings), 0, -np.inf
        for place, day in enumerate(days):
            detector.update(float(values[place]))
            if not detector.drift_detected:
                continue
            split = start + since(loss[start : place + 1])
            before, after = float(loss[start:split].mean()), float(loss[split : place + 1].mean())
            start = split
            if after > before and day.when - last >= settings.apart * DAY:
                last = day.when
                why = f"the daily loss rose from {before:.3f} to {after:.3f}"
                yield Change(name, day.when, days[split].when, after, before, why)

    return seen


def _scale(usual: Floats) -> float:
    """The standard deviation, as if days were independent: spells of difficult days widen it.

    That of an autoregression of order one, whose sums vary (1 + r) / (1 − r) times as much.
    """
    apart = usual - usual.mean()
    whole = float((apart**2).sum())
    r = float((apart[1:] * apart[:-1]).sum()) / whole if whole > 0 else 0.0
    r = min(max(r, 0.0), 0.9)
    return max(math.sqrt(whole / (len(usual) - 1) * (1 + r) / (1 - r)), 1e-12)


def since(values: Floats) -> int:
    """Where in values [n >= 2] the mean has most likely changed (Hinkley 1970): 1 to n − 1."""
    n = len(values)
    k = np.arange(1, n)
    sums = np.cumsum(values)
    apart = sums[:-1] / k - (sums[-1] - sums[:-1]) / (n - k)
    return int(np.argmax(k * (n - k) * apart**2)) + 1


def _page_hinkley(settings: ChangeSettings) -> _Detector:
    """Page (1954): the sum of what is above the mean, less what is tolerated, has grown."""
    from river.drift import PageHinkley

    return PageHinkley(
        min_instances=settings.baseline,
        delta=settings.delta,
        threshold=settings.threshold,
        mode="up",
    )


def _adwin(settings: ChangeSettings) -> _Detector:
    """Bifet and Gavaldà (2007): two parts of an adaptive window have different means."""
    from river.drift import ADWIN

    detector: _Detector = ADWIN(  # type: ignore[no-untyped-call]
        delta=settings.confidence, clock=1, grace_period=settings.baseline
    )
    return detector


def _hddm(settings: ChangeSettings) -> _Detector:
    """Frías-Blanco et al. (2015): the mean has passed Hoeffding's bound of values in [0, 1]."""
    from river.drift.binary import HDDM_A

    detector: _Detector = HDDM_A(drift_confidence=settings.confidence)  # type: ignore[no-untyped-call]
    return _Squeezed(detector)


class _Squeezed:
    """Feeds a detector of values in [0, 1] with standard deviations, squeezed into that."""

    def __init__(self, detector: _Detector) -> None:
        self._detector = detector

    @property
    def drift_detected(self) -> bool:
        return self._detector.drift_detected

    def update(self, x: float) -> None:
        self._detector.update((1 + math.tanh(0.8 * x)) / 2)  # near the normal distribution's


_SEEN: dict[str, Callable[[Sequence[Day], ChangeSettings], Iterator[Change]]] = {
    "calibration": _calibration,
    "page_hinkley": _detected("page_hinkley", _page_hinkley),
    "adwin": _detected("adwin", _adwin),
    "hddm": _detected("hddm", _hddm),
}
