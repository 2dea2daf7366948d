"""Many requests by the array path: each is answered, and told of, as if it were alone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sluice.errors import RecordError
from sluice.message import Message
from sluice.monitoring.listed import Listed
from sluice.project import Project
from sluice.protocol.surface import Surface
from sluice.service import Service
from sluice.streaming.desk import Desk
from sluice.streaming.table import run_table
from tests.protocol.events import raw
from tests.streaming.fakes import TOPICS, Events, make_desk, make_service, record
from tests.streams.fakes import FakeClock
from tests.tiny import ORDER, Tiny

KINDS: list[dict[str, Any]] = [
    ORDER,
    {**ORDER, "amount": "much"},
    {**ORDER, "city": "Oslo", "amount": None},
    {**ORDER, "city": "Ñandú", "visits": None},
    {"city": "Aden", "time": "2024-01-05T00:30:00+01:00"},
    {**ORDER, "time": None},
    {**ORDER, "time": "1999-01-01T00:00:00Z"},
]


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def service(tiny: Tiny, events: Events) -> Iterator[Service]:
    with make_service(tiny, events) as service:
        yield service


def requests(count: int) -> list[Message]:
    """Every second one is a list of one record, in which a bad one is no error of the request."""
    made = []
    for i in range(count):
        message = Message([KINDS[i % len(KINDS)]], f"r{i}", 1_700_000_000.0 + i)
        message.single = i % 2 == 0
        made.append(message)
    return made


def test_as_if_alone(service: Service, events: Events) -> None:
    together = run_table(service, requests(60)).answers
    [seen], events.seen = events.seen, []
    assert isinstance(seen.records, Listed)
    assert isinstance(seen.outputs, Listed)
    told = list(zip(seen.records[:], seen.outputs[:], strict=True))
    assert [*seen.records.ids] == [f"r{i}" for i in range(60)]
    defaults: Counter[tuple[str, str]] = Counter()
    for i, (message, answer) in enumerate(zip(requests(60), together, strict=True)):
        assert seen.records.when[i] == message.when
        if message.single and i % len(KINDS) in (1, 5):
            assert isinstance(answer, RecordError)
            with pytest.raises(RecordError) as alone:
                service.run(message)
            assert (str(answer), answer.record) == (str(alone.value), 0)
            assert getattr(answer, "failed_step", "") == "enrich"
            assert seen.outputs.errors[i] == str(answer)
            continue
        assert json.dumps(answer) == json.dumps(service.run(message))
        own = events.seen[-1]
        record, output = told[i]
        assert isinstance(own.records, list)
        assert record == {name: own.records[0].get(name) for name in record}
        made = own.outputs[0]
        assert isinstance(made, dict)
        if "error" in made:
            assert seen.outputs.errors[i] == made["error"]
            continue
        assert (own.version, own.route) == (seen.version, seen.route)
        assert output == {name: value for name, value in made.items() if name != "defaults"}
        defaults.update(made.get("defaults", {}).items())
    assert isinstance(seen.defaults, dict)
    counted = {(n, why): k for n, whys in seen.defaults.items() for why, k in whys.items()}
    assert counted == defaults


def test_the_trace_of_each_request_is_told(service: Service, events: Events) -> None:
    traced = requests(3)
    traced[1].headers = {"traceparent": "00-1-2-01"}
    run_table(service, traced)
    run_table(service, requests(3))
    first, second = (seen.records for seen in events.seen)
    assert isinstance(first, Listed)
    assert isinstance(second, Listed)
    assert list(first.traces) == [{}, {"traceparent": "00-1-2-01"}, {}]
    assert list(second.traces) == []


@pytest.fixture
def desk(service: Service, tmp_path: Path) -> Desk:
    return make_desk(service, tmp_path, FakeClock())


def test_the_desk_takes_it_for_many(
    desk: Desk, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []
    run = service.graph.run_table

    def counted(block: Any) -> Any:
        taken.append(len(block))
        return run(block)

    monkeypatch.setattr(service.graph, "run_table", counted)
    records = [record(KINDS[i % len(KINDS)], f"r{i}", i) for i in range(140)]
    outputs = desk.answer(records)
    assert taken == [140]
    dead = [i for i, (topic, _) in enumerate(outputs) if topic == TOPICS.dead_letters]
    assert dead == [i for i in range(140) if i % len(KINDS) in (1, 5)]
    few = [desk.answer([one])[0] for one in records[:14]]
    assert taken == [140]
    for (topic, one), (topic_alone, alone) in zip(outputs, few, strict=False):
        assert (topic, one.value, one.key) == (topic_alone, alone.value, alone.key)
        assert {**one.headers, "sluice-time": ""} == {**alone.headers, "sluice-time": ""}


def test_the_same_is_counted_as_one_by_one(desk: Desk, service: Service, tmp_path: Path) -> None:
    kinds: list[Any] = [*KINDS, [KINDS[1]], [ORDER]]
    records = [record(kinds[i % len(kinds)], f"r{i}", i) for i in range(140)]
    desk.answer(records)
    alone = make_desk(service, tmp_path / "alone", FakeClock())
    for one in records:
        alone.answer([one])
    assert counted(desk) == counted(alone)


def counted(desk: Desk) -> list[str]:
    lines = desk.meter.page().body.decode().splitlines()
    kinds = ("sluice_records", "sluice_defaults", "sluice_feature_age")
    return [line for line in lines if line.startswith(kinds)]


def test_flights_are_answered_as_over_http(flights: Path, tmp_path: Path) -> None:
    from serving_graphs.flight_delay.playback import playback

    records = list(playback.questions("2013-04-03", "2013-04-05").records)[:1500]
    with Service.open(Project.find(flights), "flight-delay") as service:
        surface = Surface(service)
        bodies = [json.dumps(r, default=str).encode() for r in records]
        bodies[77] = b'{"carrier": "UA"}'
        answers = [surface.answer(raw(b, X_Request_Id=f"f{i}")) for i, b in enumerate(bodies)]
        desk = make_desk(service, tmp_path, FakeClock())
        outputs = []
        for at in range(0, len(bodies), 256):
            some = [record(b, f"f{i}", i) for i, b in enumerate(bodies)][at : at + 256]
            outputs += desk.answer(some)
    assert len(outputs) == len(records) > 1000
    for answer, (topic, message) in zip(answers, outputs, strict=True):
        if answer.status == 200:
            assert json.loads(message.value) == json.loads(answer.body)
        else:
            assert topic == desk.topics.dead_letters
            assert message.headers["sluice-status"] == str(answer.status) == "422"
