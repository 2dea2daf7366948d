"""What a graph declares of its correction."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from sluice.declaration import Section
from sluice.errors import nearest
from sluice.features.definitions import Definitions

RULE = "correction"
HOLD, FADE = "hold", "fade"
_DAY = 86_400.0
_HALVES = 16  # a sixty-thousandth is left
_RANGES = {"prior": (1e-6, 1e9), "bound": (1e-6, 20.0), "margin": (0.0, 1.0)}
_SHARE = 0.75


@dataclass(frozen=True)
class Plan:
    """The parameters of a correction; times are in seconds.

    Attributes:
        features: text fields of the record: answers that share a value are moved alike.
        half_life_s: a label counts half of what one does that was asked about so much later.
        every_s: how often what is known is put together anew.
        prior: how many labels' worth of doubt there is that a value needs a move of its own.
        share: of the move of a value that is made, by feature: they overlap.
        bound: the furthest that an answer is moved: in log-odds, or in spreads of a number.
        frozen_after_s: what is known is frozen when it is so old.
        silence: what becomes of a frozen move: it is held, or fades by half each half-life.
        within_s: a label counts that comes so long after its question.
        window_s: the correction is judged by the labels of so long, and turns itself off when the
            loss is larger with it than without.
        margin: by which share of the loss; it turns itself on again when it is no worse.
        least: how many labels it takes for that.
        keep: how many snapshots are kept.
        refresh_s, max_age_s: see sluice/routing/snapshot.py; older than that is frozen.
    """

    features: tuple[str, ...]
    half_life_s: float
    every_s: float
    prior: float
    share: Mapping[str, float]
    bound: float
    frozen_after_s: float
    silence: str
    within_s: float
    window_s: float
    margin: float
    least: int
    keep: int
    refresh_s: float
    max_age_s: float

    @classmethod
    def parse(cls, params: Mapping[str, Any]) -> Plan:
        """What a declaration says. Raises DeclarationError."""
        section = Section(params, "graph.yaml", RULE)
        features = _names(section)
        plan = cls(
            features=features,
            half_life_s=section.duration("half_life", 2 * _DAY),
            every_s=section.duration("every", 3600.0),
            prior=float(section.take("prior", (int, float), 20)),
            share=_shares(section, features),
            bound=float(section.take("bound", (int, float), 1.0)),
            frozen_after_s=section.duration("frozen_after", 2 * _DAY),
            silence=section.choose("silence", (HOLD, FADE), HOLD),
            within_s=section.duration("within", 7 * _DAY),
            window_s=section.duration("window", 14 * _DAY),
            margin=float(section.take("margin", (int, float), 0.01)),
            least=section.take("least", int, 500),
            keep=section.take("keep", int, 200),
            refresh_s=section.duration("refresh", 5.0),
            max_age_s=section.duration("max_age", 60.0),
        )
        section.done()
        plan._check(section)
        return plan

    def _check(self, section: Section) -> None:
        for name, (low, high) in _RANGES.items():
            if not low <= getattr(self, name) <= high:
                raise section.error(name, f"expected a number from {low:g} to {high:g}")
        for name in ("least", "keep"):
            if getattr(self, name) < 1:
                raise section.error(name, "expected a whole number, 1 or more")
        if not 1.0 <= self.every_s <= self.half_life_s:
            raise section.error("every", "expected a second to the half-life")
        if self.window_s < self.every_s:
            raise section.error("window", "expected no less than `every`")
        if not 0 < self.refresh_s < self.max_age_s:
            raise section.error("max_age", "expected more than refresh, which is more than 0")

    def check(self, definitions: Definitions) -> None:
        """Raise ValueError where the record has no such fields.

        A label is joined with what came: a value that a default stood in for is not there.
        """
        fields = definitions.record.by_name
        for name in self.features:
            if name not in fields:
                raise ValueError(f"features: no record field {name!r}: {nearest(name, fields)}")
            if fields[name].type != "string":
                raise ValueError(f"features: {name} is no text: expected fields of type string")
            if fields[name].default is not None:
                raise ValueError(f"features: {name} has a default: expected fields without")

    def bucket(self, time: float) -> int:
        """The bucket of the sums that labels go to: by the time that was asked about."""
        return int(time // self.bucket_s)

    def first(self, time: float) -> int:
        """The first bucket that still counts at a time: after that labels weigh next to nothing."""
        return self.bucket(time - max(_HALVES * self.half_life_s, self.window_s))

    @property
    def bucket_s(self) -> float:
        """How long a bucket is: no sum in it more than doubles, and a window has seven or more."""
        return min(self.half_life_s, max(self.window_s / 7, 1.0))

    @property
    def memory(self) -> str:
        """What the sums mean: a correction with another meaning has another ledger."""
        told = [self.features, self.half_life_s, self.bucket_s, self.every_s]
        return f"{RULE}-{blake2b(json.dumps(told).encode(), digest_size=6).hexdigest()}"


def _names(section: Section) -> tuple[str, ...]:
    names = section.take("features", list)
    if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise section.error("features", "expected a list of record fields, each once")
    return tuple(names)


def _shares(section: Section, features: Sequence[str]) -> dict[str, float]:
    """By feature; one number is for all of them, and of those that have none it is 0.75."""
    told = section.take("share", (int, float, Mapping), _SHARE)
    by_name = isinstance(told, Mapping)
    for share in told.values() if by_name else [told]:
        if type(share) not in (int, float) or not 0.0 <= share <= 1.0:
            raise section.error("share", "expected a number from 0 to 1, or one by feature")
    found = dict(told) if by_name else dict.fromkeys(features, told)
    for name in found:
        if name not in features:
            raise section.error("share", f"no feature {name!r}: {nearest(str(name), features)}")
    return {name: float(found.get(name, _SHARE)) for name in features}


def found_in(params: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The parameters of the correction among a postprocess step's, or None."""
    for declared in params.get("rules") or ():
        if isinstance(declared, Mapping) and declared.get("rule") == RULE:
            return {name: value for name, value in declared.items() if name != "rule"}
    return None
