"""The peer FastAPI: the same function behind one path, as its documentation would have it."""

from __future__ import annotations

from fastapi import FastAPI

from bench.backends import Predict
from bench.flight import Answer, Flight
from bench.work import answer, enrich, read_tables, transform


def make_app(predict: Predict) -> FastAPI:
    """The service with a back end."""
    app, tables = FastAPI(), read_tables()

    # `async def`, because a plain `def` would send each request through a pool of threads.
    @app.post("/")
    async def ask(flight: Flight) -> Answer:
        record, moment = flight.__dict__, flight.time_hour.timestamp()
        looked = enrich(tables, record, moment)
        return Answer(**answer(predict(transform(tables, record, looked, moment))))

    return app
