"""One version answers all."""

from __future__ import annotations

from sluice.live import CHAMPION, Live
from sluice.message import Choice, Message
from sluice.routing.policy import Policy


class Champion(Policy):
    """Every row to the version that the alias champion points at.

    When to use it: one model, or a roll-out by moving the alias.
    """

    policy = "champion"

    def arms(self, live: Live) -> dict[str, Choice]:
        return {CHAMPION: Choice(self.policy, CHAMPION, live.aliases[CHAMPION])}

    def choose(self, message: Message, live: Live) -> list[Choice]:
        return [self.choices(live)[CHAMPION]] * len(message.rows)
