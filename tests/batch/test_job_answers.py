"""What the job writes is what the endpoint answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sluice.batch.database import Database
from sluice.batch.job import Counts, Job, scoring_of
from sluice.batch.records import Entry, outcomes, submit
from sluice.errors import StoreUnavailable
from sluice.features.store import OnlineStore
from sluice.project import Project
from sluice.service import Service
from tests.streams.fakes import FakeClock
from tests.tiny import GRAPHS, ORDER, Tiny

ORDERS: list[Any] = [
    ORDER,
    {**ORDER, "city": "Ñandú", "amount": None},
    {**ORDER, "amount": "much"},
    {**ORDER, "city": "Oslo", "visits": 7.0},
    "no order",
]


def answered(service: Service, url: str, records: list[Any], **options: Any) -> list[Any]:
    """What a job makes of records, as `predict` gives it."""
    database = Database(url, "tiny", service.name)
    ids = [f"r{n}" for n in range(len(records))]
    submit(database, [Entry(id, record) for id, record in zip(ids, records, strict=True)])
    counts = [Counts(), *Job(scoring_of(service), database, **options).run()][-1]
    assert counts.done + counts.failed == len(records)
    found = outcomes(database, ids)
    database.close()
    return [o.output if o.status == "done" else {"error": o.reason} for o in found]


@pytest.mark.parametrize("graph", GRAPHS)
def test_a_job_and_predict_agree(tiny: Tiny, url: str, graph: str) -> None:
    with tiny.service(graph) as service:
        assert answered(service, url, ORDERS) == service.predict(ORDERS)


def test_flights(flights: Path, tmp_path: Path) -> None:
    from serving_graphs.flight_delay.playback import playback

    records = playback.questions("2013-04-01", "2013-04-02").records[:500]
    with Service.open(Project.find(flights), "flight-delay") as service:
        found = answered(service, f"sqlite:///{tmp_path / 'batch.db'}", list(records), chunk=150)
        assert found == service.predict(list(records))


class Away:
    """A feature store that is away until a clock has come so far."""

    def __init__(self, store: OnlineStore, clock: FakeClock, until: float) -> None:
        self._store, self._clock, self._until = store, clock, until

    def __getattr__(self, name: str) -> Any:
        if self._clock.time() < self._until:
            raise StoreUnavailable("features do not answer")
        return getattr(self._store, name)


@pytest.mark.parametrize("seconds", [0, 10])
def test_the_feature_store_goes_away_and_comes_back(
    tiny: Tiny, tmp_path: Path, seconds: int
) -> None:
    clock = FakeClock()
    application = tiny.open("binary")
    store = Away(application.features, clock, 0)
    application.features = store
    with tiny.service("binary", application) as service:
        expected = service.predict(ORDERS)
        store._until = clock.time() + seconds
        url = f"sqlite:///{tmp_path / 'batch.db'}"
        assert answered(service, url, ORDERS, clock=clock) == expected
    assert seconds <= clock.time() - FakeClock().time() < 2 * seconds + 1
