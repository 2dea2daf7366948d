"""The rules of a ranked list by themselves: 100 candidates, every rule on."""

from __future__ import annotations

import random
import time
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import numpy as np

from bench.part import Bench, Figures
from sluice.features.definitions import Definitions
from sluice.message import Choice, Message
from sluice.rules.lists import Lists
from sluice.schema import Field, Schema

CANDIDATES, _CALLS = 100, 300
_COLUMNS = {
    "film": "integer", "genres": "string", "studio": "string", "year": "number", "tail": "boolean",
}  # fmt: skip
_GENRES = [f"genre {i}" for i in range(19)]
_TAIL = {"field": "tail", "op": "==", "value": True}
ITEMS: dict[str, Any] = {
    "id": "film",
    "show": ["genres", "year"],
    "measure": {
        "diversity": "genres",
        "age": {"field": "year", "at": 1998},
        "tail": _TAIL,
        "groups": "studio",
    },
}
RULES: list[dict[str, Any]] = [
    {"rule": "deny", "values": [3, 5, 8]},
    {"rule": "allow", "values": list(range(99))},
    {"rule": "require", "where": {"field": "year", "op": ">=", "value": 1930}},
    {"rule": "calibrate"},
    {"rule": "decay", "field": "year", "at": 1998, "scale": 5, "weight": 0.2},
    {"rule": "pin", "values": [11], "at": 3},
    {"rule": "mmr", "of": "genres", "diversity": 0.3},
    {"rule": "cap", "by": "studio", "most": 4, "first": 10},
    {"rule": "quota", "where": _TAIL, "least": 3, "first": 10},
    {"rule": "fresh", "field": "year", "at": 1998, "within": 2, "least": 2, "first": 10},
    {"rule": "fair", "where": {"field": "studio", "op": "==", "value": "b"}, "p": 0.3},
    {"rule": "exposure", "by": "studio"},
    {"rule": "clip", "low": 0},
    {"rule": "round", "digits": 4},
    {"rule": "top_k", "k": 10},
]


def rules(bench: Bench) -> Figures:
    """Microseconds from the scores of 100 candidates to the record's output: with every rule on,
    with top_k alone, and what the rules add to that."""
    lists, top = _lists(RULES), _lists(RULES[-1:])
    message = candidates()
    found: dict[str, list[float]] = {"rank_rules_us": [], "rank_plain_us": []}
    for name in bench.turns("rules", list(found)):
        made = lists if name == "rank_rules_us" else top
        found[name].append(median(_microseconds(made, message) for _ in range(_CALLS)))
    every, plain = found.values()
    beyond = median(a - b for a, b in zip(every, plain, strict=True))
    return {**{name: median(of) for name, of in found.items()}, "rank_rules_beyond_us": beyond}


def _lists(declared: list[dict[str, Any]]) -> Lists:
    fields = Schema(Field(name, kind) for name, kind in _COLUMNS.items())
    made = Lists(ITEMS, declared, "bench")
    made.open(Definitions(Path("features.yaml"), fields, {}))
    return made


def candidates() -> Message:
    """A scored message of one record: its films, with up to four genres of nineteen each."""
    chance = random.Random(1)
    message = Message([{}])
    version = SimpleNamespace(number="1", calibration=None)
    message.live = SimpleNamespace(answering=lambda _: version)
    message.columns = list(_COLUMNS)
    message.rows, message.values, message.scores = [0] * CANDIDATES, [], []
    for film in range(CANDIDATES):
        genres = "|".join(sorted(chance.sample(_GENRES, chance.randint(1, 4))))
        studio, year = chance.choice("abc"), float(chance.randint(1925, 1998))
        message.values.append([float(film), genres, studio, year, float(chance.random() < 0.3)])
        message.scores.append(np.array([chance.random()]))
    message.defaults = [{} for _ in message.rows]
    message.route = [Choice("champion", "champion", "1")] * CANDIDATES
    return message


def _microseconds(lists: Lists, message: Message) -> float:
    began = time.perf_counter()
    lists.answer(message, range(CANDIDATES), explain=False)
    return (time.perf_counter() - began) * 1e6
