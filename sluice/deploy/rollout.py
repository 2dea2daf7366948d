"""How a new version takes over from the old one: beside it, checked, by percentages, or not at all.

    start → ready → golden → 10 % → 50 % → 100 % → finish → done
       └───────┴───────┴───────┴──────┴───────┴→ abandon → failed

The new version is deployed beside the old one. It gets no traffic before it is ready and gives the
golden requests that are stored with the model the answers that they had. Then its share grows by
the declared percentages. After each, for as long as the plan holds it, and at its end, the share of
its requests that failed and the golden requests decide; what fails puts the old version back.

Where it stands is kept, so that a rollout whose process was killed goes on, or is undone, by the
next one. Each call of a target may therefore come twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import msgspec

from sluice.declaration import Section
from sluice.deploy.place import Place, forget_place, keep_place, read_place
from sluice.errors import GateFailed, SluiceError

_POLL_S = 0.25
_SHOWN = 3

Say = Callable[[str], None]


class Errors(msgspec.Struct, frozen=True):
    """Requests that a version had so far, and how many of them failed (status 500 and above)."""

    failed: int
    all: int


class Target(Protocol):
    """Where a new version is deployed, beside an old one or as the first.

    Each call may be repeated. Raises GateFailed for what no waiting mends, StoreUnavailable for
    what does not answer.
    """

    name: str  # of what is deployed, and where, for messages
    version: str  # what makes this one differ: a rollout of another one is not gone on with
    old: str  # the version that serves now; empty: none does
    kind: str  # what a version is called in messages

    def start(self) -> None: ...
    def waiting_for(self) -> str:
        """What keeps the new version from being ready; empty when it is."""

    def golden(self) -> list[str]:
        """What differs between its answers and the golden ones, a line each."""

    def shift(self, percent: int) -> None:
        """Give it so much of the traffic, and the old one the rest."""

    def errors(self) -> Errors: ...
    def finish(self) -> None:
        """End the old one."""

    def abandon(self) -> None:
        """Give the old one all traffic, and end the new one."""


@dataclass(frozen=True)
class Plan:
    """How traffic moves.

    Attributes:
        percentages: the new version's share of traffic, step by step; the last one is 100.
        hold_s: how long each share is held before the next.
        errors: the largest share of its requests that may fail.
        start_s: how long it may take until it is ready.
    """

    percentages: tuple[int, ...] = (10, 50, 100)
    hold_s: float = 5.0
    errors: float = 0.01
    start_s: float = 120.0

    @classmethod
    def parse(cls, data: Any, file: object) -> Plan:
        """spec.parameters.sluice.rollout of a graph.yaml. Raises DeclarationError."""
        section = Section(data, file, "spec.parameters.sluice.rollout")
        plan = cls(
            percentages=tuple(section.take("percentages", list, list(cls.percentages))),
            hold_s=section.duration("hold") if "hold" in section.names else cls.hold_s,
            errors=section.take("errors", float, cls.errors),
            start_s=section.duration("start") if "start" in section.names else cls.start_s,
        )
        section.done()
        shares = plan.percentages
        rising = all(type(p) is int and 0 < p <= 100 for p in shares)
        if not rising or list(shares) != sorted(set(shares)) or shares[-1:] != (100,):
            found = f"{list(shares)} does not rise from 1 to 100"
            raise section.error("percentages", found, "such as [10, 50, 100]")
        if not 0 <= plan.errors <= 1:
            raise section.error("errors", f"{plan.errors} is no share", "0 to 1")
        return plan


class Rollout:
    """One rollout.

    Args:
        target: what is deployed.
        plan: how.
        folder: where its place is kept.
        clock, sleep: monotonic seconds.
        say: told of each step.
    """

    def __init__(
        self,
        target: Target,
        plan: Plan,
        folder: Path,
        clock: tuple[Callable[[], float], Callable[[float], None]] = (time.monotonic, time.sleep),
        say: Say = lambda _: None,
    ) -> None:
        self._target, self._plan, self._say = target, plan, say
        self._folder = folder
        self._clock, self._sleep = clock

    def run(self) -> None:
        """Carry it out, or on from where it was left.

        Raises GateFailed when the new version was refused, with the old one in its place.
        """
        target, place = self._target, read_place(self._folder)
        if place is not None and (place.version != target.version or place.phase == "abandon"):
            self._say(f"{target.name}: what an earlier rollout left is undone")
            target.abandon()
            place = None
        if place is None:
            place = Place(target.version, target.old, "start")
        else:
            self._say(f"{target.name}: going on with a rollout that was left at {place.phase}")
        if place.phase != "finish":
            self._forward(place)
        self._at("finish", 0)
        # It has all the traffic now: what fails from here on is tried again by the next rollout.
        target.finish()
        forget_place(self._folder)

    def _forward(self, place: Place) -> None:
        try:
            self._begin(place)
            for share in range(place.share, len(self._plan.percentages)):
                self._shift(share)
        except SluiceError as problem:
            check = problem.check if isinstance(problem, GateFailed) else "rollout"
            why = problem.why if isinstance(problem, GateFailed) else str(problem)
            self._abandon(why)
            raise self._refused(check, why) from problem

    def _begin(self, place: Place) -> None:
        """Whether it is begun or gone on with: it is there, ready, and answers as it should."""
        if place.phase == "start":
            self._at("start", 0)
        self._target.start()
        self._await_ready()
        self._check_golden()

    def _await_ready(self) -> None:
        until = self._clock() + self._plan.start_s
        while waiting := self._target.waiting_for():
            if self._clock() > until:
                raise GateFailed("ready", f"not ready after {self._plan.start_s:g} s: {waiting}")
            self._sleep(_POLL_S)
        self._say(f"{self._target.name}: the new version is ready")

    def _check_golden(self) -> None:
        wrong = self._target.golden()
        if wrong:
            more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
            raise GateFailed("golden", "; ".join(wrong[:_SHOWN]) + more, wrong)

    def _shift(self, share: int) -> None:
        percent = self._plan.percentages[share]
        if not self._target.old:
            if percent < 100:
                return  # nobody else could have the rest
            self._at("traffic", share)
            self._target.shift(100)
            return
        self._at("traffic", share)
        self._target.shift(percent)
        self._say(f"{self._target.name}: {percent} % of the traffic goes to the new version")
        until = self._clock() + self._plan.hold_s
        while self._clock() < until:
            self._sleep(min(_POLL_S, max(0.0, until - self._clock())))
            self._check_errors()
        self._check_errors()
        self._check_golden()

    def _check_errors(self) -> None:
        seen = self._target.errors()
        if seen.failed > self._plan.errors * seen.all:
            limit = f"more than {self._plan.errors:.4g} of all"
            why = f"{seen.failed} of {seen.all} requests failed, {limit}"
            raise GateFailed("errors", why, msgspec.to_builtins(seen))

    def _abandon(self, why: str) -> None:
        self._at("abandon", 0, why)
        self._target.abandon()
        forget_place(self._folder)

    def _refused(self, check: str, why: str) -> GateFailed:
        old = self._target.old
        after = f"{self._target.kind} {old} goes on as before" if old else "nothing is served"
        return GateFailed(check, f"{self._target.name}: {why}; {after}")

    def _at(self, phase: str, share: int, why: str = "") -> None:
        target = self._target
        keep_place(self._folder, Place(target.version, target.old, phase, share, why))
