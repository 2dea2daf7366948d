"""The members of an ensemble for the flight graph: three kinds that err differently.

The logistic regression of training.py has numbers alone; as a member it has categories too, and
bins, so that it can say of a number that both ends are bad.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from serving_graphs.flight_delay.training import PLACES, RECENT, SCHEDULE, WEATHER, columns
from serving_graphs.flight_delay.training import candidates as alone
from sluice.training import Candidate

NAMES = list({**SCHEDULE, **WEATHER, **PLACES, **RECENT})
CATEGORIES = ("carrier", "origin", "dest", "day_of_week")
BINNED = (
    "departure_minute", "arrival_minute", "temp", "humid", "wind_dir", "pressure", "visib",
    *RECENT,
)  # fmt: skip
NO_NUMBERS = (*CATEGORIES, "manufacturer", "flight")


def candidates(seed: int) -> Mapping[str, Candidate]:
    """XGBoost, hist gradient boosting, and logistic regression over categories, numbers, bins."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, StandardScaler

    bins = KBinsDiscretizer(
        10, encode="onehot-dense", strategy="quantile", subsample=50_000, random_state=seed
    )
    inputs = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), _places(CATEGORIES)),
        (
            make_pipeline(SimpleImputer(), StandardScaler()),
            _places([name for name in NAMES if name not in NO_NUMBERS]),
        ),
        (make_pipeline(SimpleImputer(), bins), _places(BINNED)),
    )
    linear = make_pipeline(inputs, LogisticRegression(C=0.3, max_iter=150, random_state=seed))
    return {**alone(seed), "logistic-regression": Candidate(linear, columns())}


def _places(names: Iterable[str]) -> list[int]:
    return [NAMES.index(name) for name in names]
