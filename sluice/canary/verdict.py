"""What a canary tells who asks, and what it asks of a gateway."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from sluice.canary.run import Run
from sluice.canary.tally import Tally


class Gateway(Protocol):
    """What splits traffic between two functions. Each call may come twice.

    Raises GateFailed for what no waiting mends, StoreUnavailable for what does not answer.
    """

    def start(self) -> None:
        """Put the challenger's function beside the champion's, without traffic."""

    def waiting_for(self) -> str:
        """What keeps it from being ready; empty when it is."""

    def shift(self, percent: int) -> None:
        """Give it so much of the traffic."""

    def end(self) -> None:
        """Give the champion's all of it, and end the other."""


@dataclass(frozen=True)
class Verdict:
    """What a look came to.

    Attributes:
        action: wait, begin, advance, promote, roll back, stop, or nothing: it had ended.
        why: in words.
        state: the run's afterwards.
        stage, share: from 1, and the challenger's share of the traffic now.
        evidence: what it was based on.
    """

    action: str
    why: str
    state: str
    stage: int
    share: float
    evidence: Any


@dataclass(frozen=True)
class Status:
    """A run, what was counted of it, and what the next look would say of that."""

    run: Run
    tally: Tally
    verdict: Verdict
