"""BentoML: a service with a typed API, two workers."""

from __future__ import annotations

from typing import Any

import bentoml

from bench.backends import xgboost_predict
from bench.flight import Flight
from bench.work import WORKERS, answer, enrich, read_tables, transform


@bentoml.service(workers=WORKERS, traffic={"timeout": 60})
class Predict:
    """Answers one record."""

    def __init__(self) -> None:
        self.tables, self.predict = read_tables(), xgboost_predict()

    # `async def`, because a plain `def` would send each request through a pool of threads.
    @bentoml.api(route="/", input_spec=Flight)
    async def ask(self, **fields: Any) -> dict[str, Any]:
        moment = fields["time_hour"].timestamp()
        looked = enrich(self.tables, fields, moment)
        return answer(self.predict(transform(self.tables, fields, looked, moment)))
