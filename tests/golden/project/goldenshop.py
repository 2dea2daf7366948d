"""A shop whose orders may be late: sources and training of the project that golden files are of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from sluice.training import Candidate, Training
from sluice.transform import Category, Columns, Number

CITIES = ["Aden", "Bonn", "Cork"]
START = 1_704_067_200.0  # 2024-01-01T00:00:00Z
HOURS = 48


def asked(record: Mapping[str, Any]) -> Any:
    """Look-ups are as of the order itself."""
    return record["time"]


def weather() -> pd.DataFrame:
    """By the hour, in all cities but the last; some values are not there."""
    rng = np.random.default_rng(1)
    n = HOURS * 2
    temp = rng.normal(10, 8, n).round(1)
    temp[::17] = np.nan
    sky = rng.choice(np.array(["clear", "rain", None], object), n, p=[0.5, 0.4, 0.1])
    hours = pd.to_datetime(START + np.repeat(np.arange(HOURS), 2) * 3600, unit="s", utc=True)
    return pd.DataFrame({"city": CITIES[:2] * HOURS, "hour": hours, "temp": temp, "sky": sky})


def requests(rows: int = 120) -> pd.DataFrame:
    """Orders, and whether they came late."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"city": rng.choice(CITIES, rows), "amount": rng.uniform(0, 1000, rows)})
    times = START + rng.integers(7200, HOURS * 3600, rows)
    frame["time"] = [pd.Timestamp(t, unit="s", tz="UTC").isoformat() for t in times]
    late = frame["amount"] / 1000 + rng.normal(0, 0.3, rows) > 0.5
    return frame.assign(late=late.astype(int))


def candidates(seed: int) -> Mapping[str, Candidate]:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    linear = make_pipeline(SimpleImputer(), LogisticRegression())
    trees = HistGradientBoostingClassifier(max_iter=4, max_leaf_nodes=5, random_state=seed)
    columns = {"amount": Number("amount"), "temp": Number("weather.temp")}
    wide = {"city": Category("city"), **columns, "sky": Category("weather.sky")}
    return {
        "linear": Candidate(linear, Columns(columns)),
        "trees": Candidate(trees, Columns(wide)),
    }


late = Training(requests, "late", candidates)
