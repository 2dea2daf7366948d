"""Weights over versions, sticky by a key."""

from __future__ import annotations

import math
from collections.abc import Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

from sluice.errors import nearest
from sluice.features.definitions import Definitions
from sluice.lift import lift
from sluice.live import CHAMPION, Live
from sluice.message import Choice, Message
from sluice.routing.policy import Policy
from sluice.schema import Value

if TYPE_CHECKING:
    from sluice.batch.block import Block
    from sluice.coded import Array


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
        if key is not None and not isinstance(key, str):
            raise ValueError(f"key: expected the name of a record's field, found {key!r}")
        self.key = key

    def check(self, definitions: Definitions) -> None:
        fields = definitions.record.names
        if self.key is not None and self.key not in fields:
            raise ValueError(f"key: no record field {self.key!r}: {nearest(self.key, fields)}")

    def arm(self, key: str) -> str:
        """The alias that a key goes to."""
        return max(self.shares, key=lambda name: self.shares[name] / -math.log(_unit(name, key)))

    def choose(self, message: Message, live: Live) -> list[Choice]:
        choices = self.choices(live)
        return [choices[self.arm(key)] for key in self._keys(message)]

    def choose_table(self, block: Block, live: Live) -> tuple[list[Choice], Array]:
        arms = list(self.shares)
        keys: list[str | None] = [None] * len(block.places)
        if self.key is not None:
            keys = lift(_text, block.columns[self.key], object).tolist()
        if None in keys:
            keys = [n if k is None else k for n, k in zip(block.names(), keys, strict=True)]
        chosen = lift(lambda key: arms.index(self.arm(key)), keys, np.int32)
        return [self.choices(live)[arm] for arm in arms], chosen

    def _keys(self, message: Message) -> list[str]:
        """By row, what is kept together: the typed value, so that 515 and 515.0 are one key."""
        place = message.columns.index(self.key) if self.key else None
        values = [None if place is None else row[place] for row in message.values]
        pairs = zip(message.places(), values, strict=True)
        return [place if v is None or v != v else str(v) for place, v in pairs]

    def arms(self, live: Live) -> dict[str, Choice]:
        shares = self._live_shares(live)
        return {name: self._choice(name, live, shares) for name in self.shares}

    def _live_shares(self, live: Live) -> dict[str, float]:
        """The probability with which each live alias is chosen."""
        shares = {name: share for name, share in self.shares.items() if name in live.aliases}
        passed = sum(share for name, share in self.shares.items() if name not in shares)
        if passed:
            shares[CHAMPION] = shares.get(CHAMPION, 0.0) + passed
        return shares

    def _choice(self, name: str, live: Live, shares: Mapping[str, float]) -> Choice:
        if name in live.aliases:
            return Choice(self.policy, name, live.aliases[name], shares[name])
        reason = f"{name} is not live: {live.refused.get(name, 'no such alias')}"
        return Choice(self.policy, CHAMPION, live.aliases[CHAMPION], shares[CHAMPION], reason)


def _text(value: Value) -> str | None:
    return None if value is None or value != value else str(value)


def _unit(name: str, key: str) -> float:
    """A number between 0 and 1, both excluded, uniform over (name, key)."""
    digest = blake2b(f"{name}\0{key}".encode(), digest_size=7).digest()
    return (int.from_bytes(digest, "big") + 0.5) / 2.0**56
