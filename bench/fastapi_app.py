"""The peer FastAPI: the same function behind one path, as its documentation would have it."""

from __future__ import annotations

from datetime import datetime

from fastapi import FastAPI
from pydantic import BaseModel

from bench.backends import Predict
from bench.work import answer, enrich, read_tables, transform


class Flight(BaseModel):
    """The body of a request."""

    carrier: str
    flight: int
    tailnum: str | None
    origin: str
    dest: str
    distance: float
    sched_dep_time: int
    sched_arr_time: int
    time_hour: datetime


class Answer(BaseModel):
    """The body of a reply."""

    probability: float
    label: int


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
