"""What a canary was declared to do: stages, and what is compared. It is kept with the run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from sluice.declaration import Section
from sluice.routing.rewards import RewardRule

ERRORS, MISSING, LATENCY, LOSS = "errors", "missing", "latency", "loss"
PARAMETERS = ("stages", "alpha", "errors", "latency", "loss", "limit")
_KEPT_S = 3600.0  # how long a request that is sent again is known


class Stage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A share of the traffic, held for so many of the challenger's requests and so many seconds."""

    share: float
    requests: int
    hold_s: float


class Loss(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How labels are compared.

    Attributes:
        rule: how feedback becomes a reward; the loss is what it lacks to the best one.
        margin: how much worse the challenger's mean loss may be, on a scale from 0 to 1.
        labels: how many of the challenger's requests must have a label before it is promoted.
    """

    rule: RewardRule
    margin: float
    labels: int

    @property
    def span(self) -> float:
        """How much 1 on that scale is in the unit that was declared."""
        return self.rule.high - self.rule.low


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of it.

    Attributes:
        alpha: how probable a false alarm is in a whole canary, at most.
        errors: how much larger the share of failed requests may be.
        over_ms, latency: what slow is, and how much larger the share of such requests may be;
            over_ms None: it is not looked at.
        loss: None: labels are not looked at.
        limit_s: without a verdict after so long it is rolled back; None: it waits.
        keyed: whether the same key always goes to the same version.
    """

    stages: tuple[Stage, ...]
    alpha: float
    errors: float
    over_ms: float | None
    latency: float
    loss: Loss | None
    limit_s: float | None
    keyed: bool

    @classmethod
    def parse(cls, params: Mapping[str, Any], keyed: bool) -> Plan:
        """What class_args say. Raises DeclarationError naming the field."""
        section = Section(params, "graph.yaml", "router.class_args")
        latency = section.section("latency", {})
        return cls(
            stages=_stages(section),
            alpha=_within(section, "alpha", 0.05, (1e-9, 0.5)),
            errors=_margin(section.section("errors", {})),
            over_ms=_over(latency) if latency.names else None,
            latency=_margin(latency),
            loss=_loss(section.section("loss")) if "loss" in section.names else None,
            limit_s=section.duration("limit", None),
            keyed=keyed,
        )

    def margins(self, absent: bool = True) -> dict[str, float]:
        """By what is compared, how much worse it may be.

        `absent`: whether requests that leave no event are looked for. A key that asks often makes
        the share of requests another one than that of keys, so with a key they are not.
        """
        margins = {ERRORS: self.errors}
        if absent and not self.keyed:
            margins[MISSING] = 0.0
        if self.over_ms is not None:
            margins[LATENCY] = self.latency
        if self.loss is not None:
            margins[LOSS] = self.loss.margin
        return margins

    def plain(self, name: str, amount: float) -> float:
        """A margin or a sum of what is compared, from the scale it is bet on to its own unit."""
        return amount * self.loss.span if name == LOSS and self.loss is not None else amount

    @property
    def keep_s(self) -> float:
        """How long requests are known: until their labels may have come."""
        return _KEPT_S if self.loss is None else max(_KEPT_S, 2 * self.loss.rule.within_s)


def _stages(section: Section) -> tuple[Stage, ...]:
    listed = section.take("stages", list)
    where = f"{section.where}.stages"
    stages = [_stage(Section(d, section.file, f"{where}[{n}]")) for n, d in enumerate(listed)]
    shares: Sequence[float] = [stage.share for stage in stages]
    if not shares or list(shares) != sorted(set(shares)):
        raise section.error("stages", f"expected shares that grow, found {shares}")
    return tuple(stages)


def _stage(section: Section) -> Stage:
    stage = Stage(
        share=_within(section, "share", None, (1e-6, 0.999_999)),
        requests=section.take("requests", int, 500),
        hold_s=section.duration("hold", 0.0),
    )
    section.done()
    if stage.requests < 1:
        raise section.error("requests", f"expected 1 at least, found {stage.requests}")
    return stage


def _margin(section: Section) -> float:
    margin = _within(section, "margin", 0.0, (0.0, 0.999))
    section.done()
    return margin


def _over(section: Section) -> float:
    return _within(section, "over_ms", None, (1e-3, 1e9))


def _loss(section: Section) -> Loss:
    margin = _within(section, "margin", 0.0, (0.0, math.inf))
    labels = section.take("labels", int, 100)
    rule = RewardRule.parse(section)
    span = rule.high - rule.low
    if rule.relative:
        raise section.error("relative", "versions are compared already", "leave it out")
    if labels < 1:
        raise section.error("labels", f"expected 1 at least, found {labels}")
    if margin >= span:
        raise section.error("margin", f"expected less than high − low, {span:g}; found {margin:g}")
    return Loss(rule, margin / span, labels)


def _within(
    section: Section, name: str, default: float | None, bounds: tuple[float, float]
) -> float:
    value = section.take(name, float) if default is None else section.take(name, float, default)
    if not bounds[0] <= value <= bounds[1]:
        raise section.error(name, f"expected {bounds[0]:g} to {bounds[1]:g}, found {value:g}")
    return float(value)
