"""What a request and a reply hold, for servers that check them with pydantic."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel


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
