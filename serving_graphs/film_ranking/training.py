"""How the ranking graph's models are made: which films will a user like?"""

from __future__ import annotations

from collections.abc import Mapping

from serving_graphs.film_ranking import sources
from sluice.training import Candidate, Training
from sluice.training.item_item import Ease, Popularity
from sluice.transform import Inputs

# The rows are the ratings of the validation split, asked when the test split begins: all that came
# before is the history to learn from, and candidates are compared on its end (training/ranking.py).
WINDOW = {"part": "validation", "at": "test"}


def candidates(seed: int) -> Mapping[str, Candidate]:
    """EASE, and as the floor how popular films are. Neither is random."""
    estimators = {
        "ease": Ease("history_films", "film", l2=200.0),
        "popularity": Popularity("history_films", "film"),
    }
    return {n: Candidate(e, Inputs("history.films", "film")) for n, e in estimators.items()}


training = Training(
    requests=sources.requests,
    label="liked",
    candidates=candidates,
    task="ranking",
    window=WINDOW,
)
