"""A shop's orders: two hundred requests, weather by the hour, and four questions about them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from sluice.training import Candidate, Training
from sluice.transform import Category, Clip, Columns, Difference, Inputs, Number, Ratio, TimePart

CITIES = ["Aden", "Bonn", "Cork", "Ñandú"]
START = 1_704_067_200.0  # 2024-01-01T00:00:00Z
HOURS = 240


def weather() -> pd.DataFrame:
    """By the hour, in all cities but the last; some values are not there."""
    rng = np.random.default_rng(1)
    n = HOURS * 3
    temp = rng.normal(10, 8, n).round(1)
    temp[::17] = np.nan
    sky = rng.choice(np.array(["clear", "rain", None], object), n, p=[0.5, 0.4, 0.1])
    hours = pd.to_datetime(START + np.repeat(np.arange(HOURS), 3) * 3600, unit="s", utc=True)
    return pd.DataFrame({"city": CITIES[:3] * HOURS, "hour": hours, "temp": temp, "sky": sky})


def places() -> pd.DataFrame:
    """How big the cities are; one is not known."""
    return pd.DataFrame({"city": CITIES[:2], "size": [1.5, 3.25]})


def requests(rows: int = 200, seed: int = 0) -> pd.DataFrame:
    """Orders and what came of them; `outcome` is known only afterwards."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "city": rng.choice(CITIES, rows),
            "amount": rng.uniform(0, 1000, rows).round(2),
            "visits": rng.integers(0, 9, rows),
            "member": rng.choice(np.array([True, False, None], object), rows),
        }
    )
    frame.loc[::11, "amount"] = np.nan
    times = START + rng.integers(7200, HOURS * 3600, rows)
    frame["time"] = [pd.Timestamp(t, unit="s", tz="UTC").isoformat() for t in times]
    score = frame["amount"].fillna(500) / 1000 + frame["visits"] / 9 + rng.normal(0, 0.3, rows)
    late = (score > 1).astype(int)
    grade = np.where(score < 0.7, "low", np.where(score < 1.2, "mid", "high"))
    return frame.assign(late=late, grade=grade, minutes=score * 60, outcome=late * 2.0)


def linear() -> Columns:
    """What a linear model takes."""
    return Columns({"amount": Number("amount"), "visits": Clip("visits", low=0, high=5)})


def wide() -> Columns:
    """Every op there is."""
    return Columns(
        {
            "city": Category("city"),
            "amount": Number("amount"),
            "member": Number("member"),
            "visits": Number("visits"),
            "hour": TimePart("time", part="hour"),
            "temp": Number("weather.temp"),
            "sky": Category("weather.sky"),
            "warmer": Difference("weather.temp", "visits", offset=0.5),
            "per_visit": Ratio("amount", "visits"),
            "size": Number("place.size"),
        }
    )


def _binary(seed: int) -> Mapping[str, Candidate]:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    logistic = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression())
    trees = HistGradientBoostingClassifier(max_iter=8, random_state=seed)
    return {"linear": Candidate(logistic, linear()), "trees": Candidate(trees, wide())}


def _classes(seed: int) -> Mapping[str, Candidate]:
    from sklearn.ensemble import HistGradientBoostingClassifier

    trees = HistGradientBoostingClassifier(max_iter=4, random_state=seed)
    return {"trees": Candidate(trees, wide())}


def _regression(seed: int) -> Mapping[str, Candidate]:
    from sklearn.ensemble import HistGradientBoostingRegressor

    trees = HistGradientBoostingRegressor(max_iter=8, random_state=seed)
    return {"trees": Candidate(trees, wide())}


def _pipeline(seed: int) -> Mapping[str, Candidate]:
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["city", "weather_sky"]),
        (SimpleImputer(), ["amount"]),
    )
    inputs = Inputs("city", "weather.sky", "amount")
    return {"text": Candidate(make_pipeline(columns, LogisticRegression(max_iter=500)), inputs)}


binary = Training(requests, "late", _binary)
classes = Training(requests, "grade", _classes)
regression = Training(requests, "minutes", _regression, task="regression")
pipeline = Training(requests, "late", _pipeline)
