"""The whole function in one call, with XGBoost's own predict: what the optional peers serve."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.backends import xgboost_predict
from bench.work import answer, enrich, moment_of, read_tables, transform


class Flights:
    """Tables and booster, loaded once; a call answers one decoded record."""

    def __init__(self) -> None:
        self.tables, self.predict = read_tables(), xgboost_predict()

    def __reduce__(self) -> tuple[type[Flights], tuple[()]]:
        """Another process loads its own."""
        return Flights, ()

    def __call__(self, record: Mapping[str, Any]) -> dict[str, Any]:
        moment = moment_of(record)
        looked = enrich(self.tables, record, moment)
        return answer(self.predict(transform(self.tables, record, looked, moment)))
