"""A table of records is answered as the records are."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pytest

from sluice.batch.scoring import score
from sluice.service import Service
from tests.tiny import ORDER, Tiny


@pytest.fixture(scope="module")
def service(tiny: Tiny) -> Iterator[Service]:
    with tiny.service("binary") as opened:
        yield opened


def test_records_and_a_table_are_answered_as_by_predict(service: Service) -> None:
    records = [ORDER, {**ORDER, "visits": None}, {**ORDER, "amount": -1.0}]
    expected = service.predict(records)
    for frame in (records, pa.Table.from_pylist(records)):
        scored = score(service, frame)
        assert scored.outputs() == expected
        assert scored.errors == [None, None, expected[2]["error"]]
        assert scored.versions[0] is not None
        table = scored.table()
        assert table["probability"].to_pylist()[0] == expected[0]["probability"]
        assert table["defaults"].to_pylist() == [None, '{"visits":"null"}', None]
        assert table["error"].to_pylist() == scored.errors
