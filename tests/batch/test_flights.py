"""Flights by file and by request: the same answers, aggregates over events among their features."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq

from serving_graphs.flight_delay import sources
from sluice.batch.files import run
from sluice.frame import records_of
from sluice.project import Project
from sluice.service import Service

COUNT = 2000


def test_a_file_of_flights_is_answered_as_requests_are(flights: Path, tmp_path: Path) -> None:
    table = sources.requests("2013-04-01", "2013-05-01")[sources.RECORD]
    table = table.sample(COUNT, random_state=5).reset_index(drop=True)
    file, output = tmp_path / "flights.csv", tmp_path / "answers.parquet"
    table.to_csv(file, index=False)
    with Service.open(Project.find(flights), "flight-delay") as service:
        counts = run(service, str(file), str(output), chunk=700, progress=False)
        expected = service.predict(records_of(table))
    assert counts.rows == COUNT
    assert counts.failed == 0
    answers = pq.read_table(output).to_pylist()
    for place, (answer, wanted) in enumerate(zip(answers, expected, strict=True)):
        assert answer["row"] == place
        assert answer["probability"] == wanted["probability"]  # to the bit
        assert answer["label"] == wanted["label"]
        assert json.loads(answer["defaults"] or "{}") == wanted.get("defaults", {})
    looked_up = [a for a in answers if "carrier_delays.late_3h" not in (a["defaults"] or "")]
    assert len(looked_up) > COUNT / 2
