"""One version answers all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sluice.live import CHAMPION, Live
from sluice.message import Choice, Message
from sluice.routing.policy import Policy

if TYPE_CHECKING:
    from sluice.batch.block import Block
    from sluice.coded import Array


class Champion(Policy):
    """Every row to the version that the alias champion points at.

    When to use it: one model, or a roll-out by moving the alias.
    """

    policy = "champion"

    def arms(self, live: Live) -> dict[str, Choice]:
        return {CHAMPION: Choice(self.policy, CHAMPION, live.aliases[CHAMPION])}

    def choose_table(self, block: Block, live: Live) -> tuple[list[Choice], Array]:
        return [self.choices(live)[CHAMPION]], np.zeros(len(block.places), np.int32)

    def choose(self, message: Message, live: Live) -> list[Choice]:
        return [self.choices(live)[CHAMPION]] * len(message.rows)
