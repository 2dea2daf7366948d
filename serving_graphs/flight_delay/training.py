"""How the flight graph's models are made: will it arrive over 15 minutes late?"""

from __future__ import annotations

from collections.abc import Mapping

from serving_graphs.flight_delay import sources
from sluice.training import Candidate, Training
from sluice.transform import Category, Clip, Columns, Difference, Number, Op, TimePart

WINDOW = {"start": "2013-01-01", "end": "2013-04-01"}

SCHEDULE: Mapping[str, Op] = {
    "carrier": Category("carrier"),
    "origin": Category("origin"),
    "dest": Category("dest"),
    "flight": Number("flight"),
    "distance": Number("distance"),
    "departure_minute": TimePart("sched_dep_time", part="minute_of_day"),
    "arrival_minute": TimePart("sched_arr_time", part="minute_of_day"),
    "day_of_week": TimePart("time_hour", part="day_of_week"),
}
WEATHER: Mapping[str, Op] = {
    "temp": Number("weather.temp"),
    "dewp": Number("weather.dewp"),
    "dew_spread": Difference("weather.temp", "weather.dewp"),
    "humid": Number("weather.humid"),
    "wind_dir": Number("weather.wind_dir"),
    # One observation of the year says 1,048 mph.
    "wind_speed": Clip("weather.wind_speed", low=0, high=100),
    "wind_gust": Number("weather.wind_gust"),
    "precip": Number("weather.precip"),
    "pressure": Number("weather.pressure"),
    "visib": Number("weather.visib"),
}
PLACES: Mapping[str, Op] = {
    "plane_year": Number("plane.year"),
    "engines": Number("plane.engines"),
    "seats": Number("plane.seats"),
    "manufacturer": Category("plane.manufacturer"),
    "lat": Number("airport.lat"),
    "lon": Number("airport.lon"),
    "alt": Number("airport.alt"),
}
# What has just happened, over events that are ingested as they come.
RECENT: Mapping[str, Op] = {
    f"{entity}_{name}": Number(f"{entity}_delays.{name}")
    for entity in ("origin", "carrier", "dest")
    for name in ("late_3h", "late_6h", "delay_6h")
}


def columns() -> Columns:
    """All that is known two hours before departure."""
    return Columns({**SCHEDULE, **WEATHER, **PLACES, **RECENT})


def candidates(seed: int) -> Mapping[str, Candidate]:
    """XGBoost, hist gradient boosting, and a logistic regression on fewer columns."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from xgboost import XGBClassifier

    numbers = {**SCHEDULE, **WEATHER, **RECENT}
    linear = Columns({n: op for n, op in numbers.items() if not isinstance(op, Category)})
    return {
        "xgboost": Candidate(
            XGBClassifier(
                n_estimators=200,
                max_depth=6,
                learning_rate=0.05,
                subsample=0.8,
                colsample_bytree=0.5,
                min_child_weight=20,
                n_jobs=1,
                random_state=seed,
            ),
            columns(),
        ),
        "hist-gradient-boosting": Candidate(
            HistGradientBoostingClassifier(
                max_iter=150, learning_rate=0.05, l2_regularization=1.0, random_state=seed
            ),
            columns(),
        ),
        "logistic-regression": Candidate(
            make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression(max_iter=200)),
            linear,
        ),
    }


training = Training(
    requests=sources.requests,
    label="late",
    candidates=candidates,
    window=WINDOW,
)
