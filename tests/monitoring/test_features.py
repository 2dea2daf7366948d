"""What was looked up, as events tell it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson
import pytest

from sluice.batch.block import Block
from sluice.batch.frames import frame_of
from sluice.message import Message
from sluice.monitoring.event import EventBuilder, Source
from sluice.monitoring.features import Features, FeatureTable
from sluice.monitoring.listed import Listed
from sluice.monitoring.redaction import Redaction
from sluice.service import Service
from tests.streaming.fakes import Events, make_service
from tests.tiny import ORDER, Tiny

COLUMNS = ["city", "amount", "shop.visits", "shop.owner"]
SALT = b"sixteen bytes .."


def told(found: Features | Listed, redaction: Redaction | None = None) -> Any:
    table = FeatureTable(redaction or Redaction()).table(found)
    return None if table is None else orjson.loads(orjson.dumps(table))


def test_the_fields_of_the_record_are_left_out_and_refused_records_are_null() -> None:
    values = [["Bonn", 1.0, 3.0, "Ann"], ["Oslo", 2.0, float("nan"), None]]
    assert told(Features(COLUMNS, 2, [0, 2], values, 3)) == {
        "schema": ["shop.visits", "shop.owner"],
        "rows": [[3.0, "Ann"], [None, None], [None, None]],
    }


@pytest.mark.parametrize(
    "found",
    [
        Features(COLUMNS[:2], 2, [0], [["Bonn", 1.0]], 1),
        Features(COLUMNS, 2, [0, 0], [["Bonn", 1.0, 3.0, "Ann"]] * 2, 1),
        Listed([], []),
    ],
    ids=["nothing was looked up", "a record has several rows", "a table without"],
)
def test_nothing_is_told(found: Features | Listed) -> None:
    assert told(found) is None


def test_redacted_features_stay_here() -> None:
    redaction = Redaction({"shop.visits": "drop", "shop.owner": "hash"}, SALT)
    by_row = told(Features(COLUMNS, 2, [0], [["Bonn", 1.0, 3.0, "Ann"]], 1), redaction)
    by_column = told(Listed(["shop.visits", "shop.owner"], [[3.0], ["Ann"]]), redaction)
    assert by_row == by_column
    assert by_row["schema"] == ["shop.owner"]
    assert len(by_row["rows"][0][0]) == 32


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def service(tiny: Tiny, events: Events) -> Iterator[Service]:
    with make_service(tiny, events) as service:
        yield service


def test_a_table_tells_what_records_alone_tell(service: Service, events: Events) -> None:
    build = EventBuilder(Source("shop"))
    records = [ORDER, {**ORDER, "amount": "much"}, {**ORDER, "city": "Oslo"}]
    service.run(Message(list(records), "r", 1.7e9))
    service.graph.run_table(Block(frame_of(records), ["a", "b", "c"], np.full(3, 1.7e9)))
    by_row, by_table = (orjson.loads(build(seen).value)["sluice"] for seen in events.seen)
    assert by_row["features"] == by_table["features"]
    own = service.application.definitions.record.names
    assert by_row["features"]["schema"] == service.application.live().columns[len(own) :]
    assert by_row["features"]["rows"][1] == [None] * len(by_row["features"]["schema"])
