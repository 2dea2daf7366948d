"""Weights over versions, sticky by a key."""

from __future__ import annotations

import math
from collections.abc import Mapping
from hashlib import blake2b

from sluice.live import CHAMPION, Live
from sluice.message import Choice, Message
from sluice.routing.policy import Policy


class Weights(Policy):
    """Shares of the traffic for several versions; one key always goes to one version.

    When to use it: to compare versions on live traffic, each caller seeing one of them. Moving a
    tenth of the weight moves a tenth of the keys and no others (weighted rendezvous hashing:
    Schindelhauer and Schomaker 2005, "Weighted distributed hash tables").

    Args:
        versions: alias → weight, any positive numbers; their shares are what counts.
        key: the record's field that is kept together; without one, or where it is empty, the
            request's id and the record's place in it.

    A version that is not live (refused, or no such alias) passes its share to the champion, and
    the reply's route says why.

    >>> from sluice.message import Message
    >>> Weights({"champion": 90, "challenger": 10}).arm("N14228")
    'champion'
    """

    policy = "weights"

    def __init__(self, versions: Mapping[str, float], key: str | None = None) -> None:
        if not isinstance(versions, Mapping) or not versions:
            raise ValueError("versions: expected a mapping of aliases to weights")
        for name, weight in versions.items():
            if isinstance(weight, bool) or not isinstance(weight, (int, float)) or weight < 0:
                raise ValueError(f"versions.{name}: expected a weight ≥ 0, found {weight!r}")
            if str(name).isdigit():
                raise ValueError(f"versions.{name}: name an alias, and point it at the version")
        total = float(sum(versions.values()))
        if not 0 < total < math.inf:
            raise ValueError("versions: the weights must add up to more than 0")
        self.shares = {str(n): w / total for n, w in versions.items() if w > 0}
        self.key = key

    def arm(self, key: str) -> str:
        """The alias that a key goes to."""
        return max(self.shares, key=lambda name: self.shares[name] / -math.log(_unit(name, key)))

    def choose(self, message: Message, live: Live) -> list[Choice]:
        return [self._choice(self._key(message, index), live) for index in message.rows]

    def _key(self, message: Message, index: int) -> str:
        value = message.records[index].get(self.key) if self.key else None
        return f"{message.id}/{index}" if value is None else str(value)

    def _choice(self, key: str, live: Live) -> Choice:
        name = self.arm(key)
        share = self.shares[name]
        if name in live.aliases:
            return Choice(self.policy, name, live.aliases[name], share)
        reason = f"{name} is not live: {live.refused.get(name, 'no such alias')}"
        return Choice(self.policy, CHAMPION, live.aliases[CHAMPION], share, reason)


def _unit(name: str, key: str) -> float:
    """A number between 0 and 1, both excluded, uniform over (name, key)."""
    digest = blake2b(f"{name}\0{key}".encode(), digest_size=7).digest()
    return (int.from_bytes(digest, "big") + 0.5) / 2.0**56
