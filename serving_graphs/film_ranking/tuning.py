"""What rules cost and bring in the ranking graph: `sluice tune-rules film-ranking`."""

from __future__ import annotations

from sluice.tuning.tuning import Tuning

YEAR = 1998.0  # in which the ratings end

tuning = Tuning(
    windows={
        "validation": {"part": "validation", "at": "validation"},
        "test": {"part": "test", "at": "test"},
    },
    alike=["film.genres"],
    date="film.year",
    today=YEAR,
    group="film.tail",
    sweep={
        "decay": {"weight": [None, 0.2]},
        "quota": {"least": [None, 3]},  # before mmr, which then chooses the three that are unlike
        "mmr": {"diversity": [None, 0.1, 0.3, 0.5, 0.7]},
    },
    fixed={
        "decay": {"field": "film.year", "at": YEAR, "scale": 5},
        "quota": {"where": {"field": "film.tail", "op": "==", "value": True}, "first": 10},
    },
)
