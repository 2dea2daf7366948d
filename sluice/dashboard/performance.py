"""How well versions answered, day by day."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sluice.dashboard.features import main_version
from sluice.dashboard.traffic import known
from sluice.windows.window import Window, merged

_CLASSES = ("log_loss", "brier", "auc", "accuracy", "predicted", "observed")
_NUMBERS = ("rmse", "mae", "bias")
Plain = dict[str, Any]


def of_performance(days: Sequence[Window]) -> Plain:
    """The days with labels, each version's, and the calibration of the one that answered most."""
    judged = [day for day in days if day.labels]
    version = main_version(judged)
    whole = [day for day in judged if day.version == version]
    return {
        "days": [_day(day) for day in judged],
        "version": version,
        "calibration": _calibration(whole),
        "labels": sum(day.labels for day in judged),
    }


def _day(day: Window) -> Plain:
    figures = {name: known(getattr(day, name)) for name in (*_CLASSES, *_NUMBERS)}
    return {"start": day.start, "version": day.version, "labels": day.labels, **figures}


def _calibration(days: Sequence[Window]) -> list[Plain]:
    return [row._asdict() for row in merged(days).calibration()] if days else []
