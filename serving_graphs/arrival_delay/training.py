"""How the arrival graph's model is made: how many minutes late (or early) will the flight be?"""

from __future__ import annotations

from collections.abc import Mapping

from serving_graphs.flight_delay import sources
from serving_graphs.flight_delay.training import WINDOW, columns
from sluice.training import Candidate, Training


def candidates(seed: int) -> Mapping[str, Candidate]:
    """XGBoost on the columns of the flight graph."""
    from xgboost import XGBRegressor

    return {
        "xgboost": Candidate(
            XGBRegressor(
                n_estimators=120,
                max_depth=5,
                learning_rate=0.1,
                subsample=0.8,
                colsample_bytree=0.5,
                min_child_weight=20,
                n_jobs=1,
                random_state=seed,
            ),
            columns(),
        )
    }


training = Training(
    requests=sources.requests,
    label="arr_delay",
    task="regression",
    candidates=candidates,
    window=WINDOW,
)
