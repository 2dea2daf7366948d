"""What all policies share that learn: their declaration, the snapshot they decide by, the fallback.

`sluice learn` works the other side: it joins feedback with decisions, asks the same policy what
they add (`sums`), and writes that into the ledger (sluice/routing/learner.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from sluice.declaration import Section
from sluice.live import CHAMPION, Live
from sluice.message import Choice
from sluice.routing.policy import Policy
from sluice.routing.rewards import Decision, Earned, RewardRule
from sluice.routing.snapshot import Snapshot, Snapshots
from sluice.routing.statistics import Forgetting
from sluice.team import Member, Team

if TYPE_CHECKING:
    from sluice.application import Application

VERSION, ALIAS = "version", "alias"
_TOP = 1 << 56


@dataclass(frozen=True)
class Aliases:
    """The numbers of aliases: all that a policy's shares ask of live versions."""

    aliases: Mapping[str, str]


class Learning(Policy):
    """A policy that learns.

    Args:
        arms: aliases, or alias → {floor, ceiling}: the least and the most of the traffic that it
            gets.
        reward: see RewardRule: of, relative, low, high, within.
        forget: see Forgetting: half_life or window, bucket.
        state: refresh (5s), max_age (60s) and silence of the snapshot: see Snapshots.
        keep_by: `version`: what is known is known of a version, and a new one begins anew;
            `alias`: it goes with the alias, for models that are retrained often.
        seed: of all draws.
    """

    def __init__(
        self,
        arms: Mapping[str, Any] | Sequence[str],
        *,
        reward: Mapping[str, Any] | None = None,
        forget: Mapping[str, Any] | None = None,
        state: Mapping[str, Any] | None = None,
        keep_by: str = VERSION,
        seed: int = 0,
    ) -> None:
        self.bounds = _bounds(arms)
        self.reward = RewardRule.parse(_section(reward, "reward"))
        self.forgetting = Forgetting.parse(_section(forget, "forget"))
        section = _section(state, "state")
        self.waits: dict[str, Any] = {
            "refresh_s": section.duration("refresh", 5.0),
            "max_age_s": section.duration("max_age", 60.0),
            "silence_s": section.duration("silence", None),
        }
        section.done()
        if not 0 < self.waits["refresh_s"] < self.waits["max_age_s"]:
            raise section.error("max_age", "expected more than refresh, which is more than 0")
        if keep_by not in (VERSION, ALIAS):
            raise ValueError(f"keep_by: expected version or alias, found {keep_by!r}")
        if type(seed) is not int:
            raise ValueError(f"seed: expected a whole number, found {seed!r}")
        self._by_alias, self._seed = keep_by == ALIAS, seed
        self.snapshots: Snapshots | None = None

    def open(self, application: Application) -> None:
        """Read the ledger, if it is there, and go on reading it."""
        if application.rewards is not None:
            snapshots = Snapshots(partial(application.rewards, self.memory), **self.waits)
            self.attach(snapshots)
            snapshots.watch()

    def close(self) -> None:
        if self.snapshots is not None:
            self.snapshots.close()

    def attach(self, snapshots: Snapshots) -> None:
        """Decide by these."""
        self.snapshots = snapshots
        snapshots.refresh()

    @property
    def memory(self) -> str:
        """What the sums mean: policies with another meaning have another ledger."""
        text = json.dumps(self.meaning(), sort_keys=True)
        return blake2b(text.encode(), digest_size=6).hexdigest()

    def meaning(self) -> dict[str, Any]:
        """All that the sums depend on; a subclass adds to it."""
        told = {"reward": self.reward.told, "bucket": self.forgetting.bucket_s}
        return {**told, "alias": self._by_alias}

    def sums(self, decision: Decision, earned: Earned) -> Mapping[str, Sequence[int]]:
        """By arm, what a decision's feedback adds. Raises ValueError for one that does not fit."""
        raise TypeError(f"{type(self).__name__} does not define sums")

    def arm(self, alias: str, aliases: Mapping[str, str]) -> str:
        """What the sums of an alias are kept under."""
        arm = alias if self._by_alias else aliases[alias]
        if not self.reward.relative:
            return arm
        return f"{arm}-{CHAMPION if self._by_alias else aliases[CHAMPION]}"

    def latest(self) -> Snapshot | None:
        """What is known, if decisions may be made by it."""
        if self.snapshots is None:
            return None
        self.snapshots.watch()
        return self.snapshots.latest()

    def fallback(self, live: Live) -> Choice:
        """The champion, and why."""
        why = "no store of rewards is open" if self.snapshots is None else self.snapshots.why
        number = live.aliases[CHAMPION]
        return Choice(self.policy, CHAMPION, number, reason=f"fallback: {why}")

    def choice(
        self,
        alias: str,
        live: Live,
        propensity: float,
        reason: str = "",
        context: tuple[float, ...] = (),
    ) -> Choice:
        """The choice of an arm; where rewards are relative, the champion is watched."""
        number, champion = live.aliases[alias], live.aliases[CHAMPION]
        team = None
        if self.reward.relative and number != champion:
            team = Team((Member(alias, number), Member(CHAMPION, champion, 0.0)))
        return Choice(self.policy, alias, number, propensity, reason, team, context)

    def unit(self, version: int, place: str) -> float:
        """A number from 0 to below 1, uniform over places: the same whenever it is asked for."""
        text = f"{self._seed}\0{version}\0{place}".encode()
        return int.from_bytes(blake2b(text, digest_size=7).digest()) / _TOP


def _section(given: Mapping[str, Any] | None, name: str) -> Section:
    return Section({} if given is None else given, "graph.yaml", f"class_args.{name}")


def _bounds(arms: Any) -> dict[str, tuple[float, float]]:
    """By alias its floor and ceiling. Raises ValueError, DeclarationError."""
    if isinstance(arms, Mapping):
        sections = {str(alias): _section(bounds, f"arms.{alias}") for alias, bounds in arms.items()}
    elif isinstance(arms, (list, tuple)) and all(isinstance(alias, str) for alias in arms):
        sections = {alias: _section(None, f"arms.{alias}") for alias in arms}
    else:
        raise ValueError("arms: expected aliases, or a mapping of aliases to floor and ceiling")
    bounds = {}
    for alias, section in sections.items():
        floor, ceiling = section.take("floor", float, 0.0), section.take("ceiling", float, 1.0)
        section.done()
        if not 0 <= floor <= ceiling <= 1 or ceiling == 0:
            raise section.error("floor", "expected 0 ≤ floor ≤ ceiling ≤ 1, and a ceiling above 0")
        if alias.isdigit():
            raise ValueError(f"arms.{alias}: name an alias, and point it at the version")
        bounds[alias] = (floor, ceiling)
    if not bounds or sum(floor for floor, _ in bounds.values()) > 1:
        raise ValueError("arms: expected one at least, with floors of 1 together at most")
    return bounds
