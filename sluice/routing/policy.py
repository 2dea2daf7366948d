"""The contract of a routing policy, and how one is made from its declaration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from sluice.errors import DeclarationError, nearest
from sluice.live import Live
from sluice.message import Choice, Message

if TYPE_CHECKING:
    from sluice.batch.block import Block
    from sluice.coded import Array


class Policy:
    """Chooses a version for each row of a message.

    A subclass sets `policy`, takes its own parameters in `__init__`, and writes `choose`. Where
    there are few choices it says them all in `arms`, and takes them from `choices`.
    """

    policy: ClassVar[str]
    _made: tuple[Live | None, Mapping[str, Choice]] = (None, {})

    def __init__(self) -> None:
        """Without parameters; a subclass names its own."""

    def check(self, fields: Sequence[str]) -> None:
        """Raise ValueError where a parameter names a field that no record has."""

    def arms(self, live: Live) -> Mapping[str, Choice]:
        """The choices that there are, by the policy's names, among the versions that are live."""
        return {}

    def choices(self, live: Live) -> Mapping[str, Choice]:
        """What `arms` said of these live versions; asked once, for they never change."""
        made, arms = self._made
        if made is not live:
            arms = self.arms(live)
            self._made = live, arms
        return arms

    def choose(self, message: Message, live: Live) -> list[Choice]:
        """A choice per row, among the versions that are live."""
        raise TypeError(f"{type(self).__name__} does not define choose")

    def choose_table(self, block: Block, live: Live) -> tuple[list[Choice], Array]:
        """`choose` for the rows of a table: the choices, and which of them is each row's [m]."""
        chosen = self.choose(block.message(), live)
        choices = list(dict.fromkeys(chosen))
        places = {choice: place for place, choice in enumerate(choices)}
        return choices, np.fromiter(map(places.__getitem__, chosen), np.int32, len(chosen))


def make_policy(name: str, params: Mapping[str, Any], where: str) -> Policy:
    """The policy with this name. Raises DeclarationError for what it does not know."""
    from sluice.routing.champion import Champion
    from sluice.routing.weights import Weights

    policies: dict[str, type[Policy]] = {c.policy: c for c in (Champion, Weights)}
    if not isinstance(name, str) or name not in policies:
        hint = nearest(str(name), policies)
        raise DeclarationError("graph.yaml", f"{where}.policy", f"no policy {name!r}", hint)
    try:
        return policies[name](**params)
    except (TypeError, ValueError) as error:
        raise DeclarationError("graph.yaml", where, f"policy {name}: {error}") from None
