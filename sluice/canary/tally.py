"""What was counted of a canary: exact sums, and the capital of each bet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from sluice.canary.capital import Capital, Value
from sluice.canary.plan import ERRORS, LATENCY, LOSS, MISSING, Plan

SIDES = CHAMPION, CHALLENGER = ("champion", "challenger")
_SAME = 1e-9  # shares that differ by less are one: 1 − (1 − 0.1) is not 0.1


class Answered(msgspec.Struct, frozen=True):
    """A request that was answered, or failed, after its version was chosen.

    Attributes:
        id: the request's.
        when: seconds since the epoch.
        share: the challenger's probability, as it was when it was chosen.
        challenger: whether it was.
        failed: whether the answer was a status of 500 and above.
        us: microseconds that it took.
    """

    id: str
    when: float
    share: float
    challenger: bool
    failed: bool
    us: int


class Side(msgspec.Struct):
    """Of one version: requests, how many failed or were slow, labels and their losses' sum."""

    requests: int = 0
    failed: int = 0
    slow: int = 0
    us: int = 0
    labels: int = 0
    loss: float = 0.0


class Seen(msgspec.Struct):
    """Of one stage: requests by version, the times of the first and the last one."""

    champion: int = 0
    challenger: int = 0
    first: float | None = None
    last: float | None = None

    @property
    def lasted_s(self) -> float:
        """How long its requests have been coming."""
        return 0.0 if self.first is None or self.last is None else self.last - self.first


class Tally(msgspec.Struct):
    """All of it.

    Attributes:
        sides: by version, champion and challenger.
        stages: by the plan's stages; a request belongs to the one whose share it was chosen with.
        capitals: by what is compared.
        counts: repeated, late and refused feedback and events, lost records.
    """

    sides: dict[str, Side]
    stages: list[Seen]
    capitals: dict[str, Capital]
    counts: dict[str, int]

    @classmethod
    def new(cls, plan: Plan, margins: Mapping[str, float]) -> Tally:
        """Nothing was counted yet."""
        capitals = {name: Capital() for name in margins}
        counts = dict.fromkeys(("repeated", "late", "refused", "lost"), 0)
        return cls(
            {side: Side() for side in SIDES}, [Seen() for _ in plan.stages], capitals, counts
        )

    def answer(self, plan: Plan, found: Sequence[Answered]) -> None:
        """Count requests, in their order."""
        for request in found:
            slow = plan.over_ms is not None and request.us > 1000 * plan.over_ms
            side = self.sides[SIDES[request.challenger]]
            side.requests += 1
            side.failed += request.failed
            side.slow += slow
            side.us += request.us
            self._stage(plan, request)
        whose = [(r.share, r.challenger) for r in found]
        self._bet(ERRORS, plan, [Value(*w, r.failed) for w, r in zip(whose, found, strict=True)])
        if MISSING in self.capitals:
            absent = self.capitals[MISSING].bet_on_absence([Value(*w, 0.0) for w in whose])
            self.capitals[MISSING] = absent
        if plan.over_ms is not None:
            limit = 1000 * plan.over_ms
            slow_ones = [Value(r.share, r.challenger, r.us > limit) for r in found]
            self._bet(LATENCY, plan, slow_ones)

    def label(self, plan: Plan, losses: Sequence[Value]) -> None:
        """Count labels, in the order in which they were joined; losses are 0 to 1."""
        for loss in losses:
            side = self.sides[SIDES[bool(loss.challenger)]]
            side.labels += 1
            side.loss += loss.value
        self._bet(LOSS, plan, losses)

    def _bet(self, name: str, plan: Plan, values: Sequence[Value]) -> None:
        margin = plan.margins()[name]
        self.capitals[name] = self.capitals[name].bet(values, margin)

    def _stage(self, plan: Plan, request: Answered) -> None:
        for stage, seen in zip(plan.stages, self.stages, strict=True):
            if abs(stage.share - request.share) < _SAME:
                seen.challenger += request.challenger
                seen.champion += not request.challenger
                seen.first = min(request.when, seen.first or request.when)
                seen.last = max(request.when, seen.last or request.when)
