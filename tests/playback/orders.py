"""Orders of the tiny shop to be played: one a minute, their labels known up to two hours later."""

from __future__ import annotations

from typing import Any

import numpy as np

from sluice.playback import Events, Questions
from tests.tiny import ORDER

BEGIN = 1_704_672_000.0  # 2024-01-08T00:00:00Z
DAYS = {"2024-01-08": 0, "2024-01-09": 300, "2024-01-10": 600}  # the first question of each


class Orders:
    """Two days of three hundred orders each."""

    def questions(self, start: str, end: str) -> Questions:
        chance = np.random.default_rng(3)
        places = np.arange(600)
        asked = BEGIN + 86_400.0 * (places // 300) + 60.0 * (places % 300)
        known = asked + chance.uniform(60, 7200, 600).round()
        records: list[dict[str, Any]] = [{**ORDER, "visits": int(p % 9)} for p in places]
        labels = (chance.random(600) < 0.8).astype(float)
        never = chance.random(600) < 0.1
        known[never], labels[never] = np.nan, np.nan
        there = slice(DAYS[start], DAYS[end])
        periods = ["day"] * len(places[there])
        return Questions(asked[there], records[there], labels[there], known[there], periods)

    def events(self, start: str, end: str) -> Events:
        return Events(np.zeros(0), [])


playback = Orders()
