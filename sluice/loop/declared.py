"""What a graph declares of training again: spec.parameters.sluice.retrain.

retrain:
  incidents: [calibration]           # their kind, condition or subject
  every: 28d                         # a calendar; left out: none
  cool_down: 14d
  budget: {runs: 12, per: 365d}
  window: {end: end, lag: 1d}        # which argument of the training's requests says up to when
  compare: {days: 14, by: log_loss, margin: 0, rows: 500}
  aliases: {champion: ""}            # which candidate goes where; empty: the best one
  approval: false
  canary: false
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sluice.declaration import Section
from sluice.live import CHAMPION
from sluice.models.aliases import check_alias

WHERE = "spec.parameters.sluice.retrain"
METRICS = ("log_loss", "brier", "rmse", "mae")
_DAY = 86_400.0
_LONGEST = 100 * 366 * _DAY


@dataclass(frozen=True)
class Window:
    """How much of the past is trained on. The arguments are days, as 2013-04-01 (UTC).

    Attributes:
        end: the argument of the training's requests that says up to which day.
        lag_s: requests are taken until so long ago: by then their labels have come.
        start, history_s: the argument that says from which day, and how long before the end that
            is; None: where the training's own window begins.
    """

    end: str = "end"
    lag_s: float = _DAY
    start: str = "start"
    history_s: float | None = None

    def until(self, now: float) -> float:
        """The midnight (epoch s) before which requests are taken."""
        return (now - self.lag_s) // _DAY * _DAY

    def arguments(self, now: float) -> dict[str, str]:
        """The arguments of `requests` at a moment (epoch s)."""
        until = self.until(now)
        found = {self.end: _day(until)}
        if self.history_s is not None:
            found[self.start] = _day(until - self.history_s)
        return found

    @classmethod
    def parse(cls, section: Section) -> Window:
        """The window in a section. Raises DeclarationError naming the field."""
        window = cls(
            section.take("end", str, cls.end),
            _between(section, "lag", cls.lag_s, 0.0, 366 * _DAY),
            section.take("start", str, cls.start),
            section.duration("history", None),
        )
        section.done()
        if window.history_s is not None and window.history_s < _DAY:
            raise section.error("history", "expected a day at least")
        if window.start == window.end:
            raise section.error("start", f"both ends are {window.end!r}")
        return window


@dataclass(frozen=True)
class Compare:
    """What a new version must do better than the one whose place it takes.

    Attributes:
        days: of the latest labelled requests, which neither of both was fitted on.
        by: the metric; empty: that by which the training compares candidates.
        margin: it must be lower by more than this.
        rows: with fewer labelled requests nothing is trained.
    """

    days: int = 14
    by: str = ""
    margin: float = 0.0
    rows: int = 500

    @classmethod
    def parse(cls, section: Section) -> Compare:
        """The comparison in a section. Raises DeclarationError naming the field."""
        compare = cls(
            section.take("days", int, cls.days),
            section.choose("by", METRICS, "") if "by" in section.names else cls.by,
            section.take("margin", float, cls.margin),
            section.take("rows", int, cls.rows),
        )
        section.done()
        for name in ("days", "rows"):
            if getattr(compare, name) < 1:
                raise section.error(name, "expected 1 at least")
        if not 0 <= compare.margin < float("inf"):
            raise section.error("margin", f"expected 0 or more, found {compare.margin}")
        return compare


@dataclass(frozen=True)
class Retrain:
    """When models are trained again, and what it takes to promote one.

    Attributes:
        incidents: an incident starts a run if its kind, condition or subject is one of these.
        every_s: a run begins so long after the one before; None: there is no calendar.
        cool_down_s: no run begins within so long of the one before, nor of a rollback.
        runs, per_s: so many runs begin within so long, at most.
        aliases: the candidate whose version goes there, by alias; empty: the best of them.
        approval: whether a person must agree before a version gets traffic.
        canary: whether it gets traffic by stages, with a verdict.
    """

    incidents: tuple[str, ...] = ("calibration",)
    every_s: float | None = None
    cool_down_s: float = 14 * _DAY
    runs: int = 12
    per_s: float = 365 * _DAY
    window: Window = Window()
    compare: Compare = Compare()
    aliases: Mapping[str, str] = field(default_factory=lambda: {CHAMPION: ""})
    approval: bool = False
    canary: bool = False

    @classmethod
    def parse(cls, data: Any, file: object) -> Retrain:
        """What is declared. Raises DeclarationError naming the field."""
        section = Section(data, file, WHERE)
        budget = section.section("budget", {})
        retrain = cls(
            incidents=_texts(section, "incidents", cls.incidents),
            every_s=section.duration("every", None),
            cool_down_s=_between(section, "cool_down", cls.cool_down_s, 0.0, _LONGEST),
            runs=budget.take("runs", int, cls.runs),
            per_s=_between(budget, "per", cls.per_s, _DAY, _LONGEST),
            window=Window.parse(section.section("window", {})),
            compare=Compare.parse(section.section("compare", {})),
            aliases=_aliases(section),
            approval=section.take("approval", bool, cls.approval),
            canary=section.take("canary", bool, cls.canary),
        )
        section.done()
        budget.done()
        retrain._check(section, budget)
        return retrain

    def _check(self, section: Section, budget: Section) -> None:
        if self.runs < 1:
            raise budget.error("runs", f"expected 1 at least, found {self.runs}")
        if self.every_s is not None and self.every_s < max(self.cool_down_s, _DAY):
            raise section.error("every", "expected a day at least, and not less than cool_down")
        if not self.incidents and self.every_s is None:
            raise section.error("incidents", "nothing starts it", "name some, or say every: 28d")
        if self.canary and list(self.aliases) != [CHAMPION]:
            raise section.error("canary", "is for the alias champion alone", "canary: false")


def _aliases(section: Section) -> dict[str, str]:
    if "aliases" not in section.names:
        return {CHAMPION: ""}
    inner = section.section("aliases")
    found = {name: inner.take(name, str) for name in inner.names}
    for name in found:
        check_alias(name)
    if not found:
        raise section.error("aliases", "none is named", "champion: xgboost")
    return found


def _texts(section: Section, field: str, default: tuple[str, ...]) -> tuple[str, ...]:
    found = section.take(field, list, list(default))
    for item in found:
        if not isinstance(item, str):
            raise section.error(field, f"expected names, found {item!r}")
    return tuple(found)


def _between(section: Section, field: str, default: float, least: float, most: float) -> float:
    value: float = section.duration(field, default)
    if not least <= value <= most:
        days = least / _DAY, most / _DAY
        raise section.error(field, f"expected {days[0]:g}d to {days[1]:g}d, found {value:g}s")
    return value


def _day(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d")
