"""A graph in process: a record, lists, tables; and events that nobody can change afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from sluice.application import Application
from sluice.errors import DeclarationError, NotFound, RecordError, RequestError
from sluice.service import Service
from sluice.streams import open_stream
from tests.tiny import ORDER, Tiny


@pytest.fixture(scope="module")
def service(tiny: Tiny) -> Iterator[Service]:
    with tiny.service("binary") as opened:
        yield opened


def events(tiny: Tiny, graph: str) -> list[dict[str, Any]]:
    """The monitoring events on the embedded stream."""
    stream = open_stream(str(tiny.root / ".sluice" / "events.log"))
    consumer = stream.consumer("test", [f"tiny.{graph}.events"])
    found: list[dict[str, Any]] = []
    for _ in range(10):  # a new member of a group may have to wait for its partitions
        found += [json.loads(record.value) for record in consumer.poll(100, 0.5)]
        if found:
            break
    consumer.close()
    stream.close()
    return found


def test_one_record_a_list_and_a_table_agree(service: Service) -> None:
    one = service.predict(ORDER)
    assert set(one) == {"probability", "label"}
    assert service.predict([ORDER, ORDER]) == [one, one]
    frame = pd.DataFrame([ORDER, ORDER])
    assert service.predict(frame) == [one, one]
    typed = frame.assign(
        time=pd.to_datetime(frame["time"], utc=True),
        visits=frame["visits"].astype("Int64"),
        member=frame["member"].astype("boolean"),
    )
    assert service.predict(typed) == [one, one]
    nulls = typed.assign(visits=pd.Series([pd.NA, 3], dtype="Int64"))
    expected = service.predict([{**ORDER, "visits": None}, ORDER])
    assert service.predict(nulls) == expected
    assert expected[0]["defaults"] == {"visits": "null"}


def test_versions_by_name(service: Service) -> None:
    assert service.predict(ORDER, version="champion") == service.predict(ORDER)
    with pytest.raises(NotFound, match=r"no live version 'chalenger': .*champion"):
        service.predict(ORDER, version="chalenger")


def test_what_is_wrong(service: Service) -> None:
    with pytest.raises(RecordError, match="amount: expected a number"):
        service.predict({**ORDER, "amount": "much"})
    outputs = service.predict([{**ORDER, "amount": "much"}, ORDER])
    assert outputs[0] == {"error": "amount: expected a number, found 'much'"}
    with pytest.raises(RequestError, match="at least one record"):
        service.predict([])
    with pytest.raises(RecordError, match="expected an object"):
        service.predict("Bonn")


def test_records_are_never_changed(service: Service) -> None:
    given = [dict(ORDER), {"city": "Oslo", "time": ORDER["time"], "more": [1, {"a": 2}]}]
    before = json.dumps(given)
    service.predict(given)
    assert json.dumps(given) == before


def test_what_a_caller_does_afterwards_does_not_reach_the_event(shop: Tiny) -> None:
    application = Application.open(shop.project, shop.parameters("classes"))
    records: list[dict[str, Any]] = [{**ORDER, "note": ["as sent"]}]
    with Service.open(shop.project, "classes", application=application) as service:
        outputs = service.predict(records)
        label = outputs[0]["label"]
        records[0]["note"].append("changed")
        records[0]["city"] = "Oslo"
        outputs[0]["label"] = "changed"
        outputs[0]["probabilities"].clear()
    [event] = events(shop, "classes")
    text = json.dumps(event)
    assert "changed" not in text
    assert "Oslo" not in text
    assert "as sent" in text
    assert f'"{label}"' in text


def test_a_table_with_times_makes_an_event(shop: Tiny) -> None:
    application = Application.open(shop.project, shop.parameters("binary"))
    frame = pd.DataFrame([ORDER])
    with Service.open(shop.project, "binary", application=application) as service:
        service.predict(frame.assign(time=pd.to_datetime(frame["time"], utc=True)))
    [event] = events(shop, "binary")
    assert "2024-01-04T12:30:00+00:00" in json.dumps(event)


def test_a_graph_that_is_not_there_is_named(tiny: Tiny) -> None:
    with pytest.raises(DeclarationError, match=r"no graph 'binry'.*mean 'binary'"):
        Service.open(tiny.project, "binry")
    with pytest.raises(DeclarationError, match="no graph is named"):
        Service.open(replace(tiny.project), "")


def test_a_graph_whose_parameters_name_another_is_refused(shop: Tiny) -> None:
    shop.edit("graphs/binary/graph.yaml", "graph: binary", "graph: classes")
    with pytest.raises(DeclarationError, match=r"'classes' is not metadata\.name, 'binary'"):
        shop.service("binary", shop.open("classes"))


def test_a_row_of_a_table_is_no_record(service: Service) -> None:
    with pytest.raises(RecordError, match="expected an object with fields"):
        service.predict(pd.Series(ORDER))
