"""A table of records is answered as the records are, one by one, by the online path."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.postprocess.function import Postprocess
from sluice.application import Application
from sluice.batch.scored import Scored
from sluice.batch.scoring import score
from sluice.errors import RequestError
from sluice.live import Live
from sluice.message import Choice, Message
from sluice.routing import Policy
from sluice.rules.rule import OutputRule, Row
from sluice.rules.threshold import Threshold
from sluice.service import Service
from tests.test_service import events
from tests.tiny import GRAPHS, ORDER, Tiny

ODD = st.one_of(
    st.none(),
    st.sampled_from([True, "", "x", "1", b"a", [], {}, [1], 2**70, -(2**70), 10**400, 1 + 2**53]),
    st.sampled_from([math.nan, math.inf, -math.inf, -0.0, 1e39, np.float32(2.5), np.int64(3)]),
    st.sampled_from(
        ["\ud800", "Ñandú", datetime(2024, 1, 4, 12, tzinfo=UTC), datetime(2024, 1, 4)]
    ),
)
CITIES = st.sampled_from(["Aden", "Bonn", "Cork", "Ñandú", "Oslo", ""])
TIMES = st.one_of(
    st.integers(0, 11 * 24 * 60).map(
        lambda m: f"2024-01-{1 + m // 1440:02}T{m // 60 % 24:02}:{m % 60:02}Z"
    ),
    st.sampled_from(["2024-01-04", "2024-01-04T12:30:00", "0001-01-01T00:00:00+00:00", "soon"]),
    st.sampled_from(
        ["2024-01-04T12:30:00.25+05:45", "9999-12-31T23:59:59-23:59", "1969-01-01T00:00Z"]
    ),
)
RECORDS = st.fixed_dictionaries(
    {
        "city": st.one_of(CITIES, CITIES, ODD),
        "time": st.one_of(TIMES, TIMES, TIMES, ODD),
    },
    optional={
        "amount": st.one_of(st.floats(-10, 1100), st.integers(0, 1000), ODD),
        "visits": st.one_of(st.integers(0, 9), st.integers(0, 9).map(float), ODD),
        "member": st.one_of(st.booleans(), ODD),
        "note": st.text(max_size=3),
    },
)
TABLES = st.lists(st.one_of(RECORDS, RECORDS, RECORDS, RECORDS, ODD), min_size=1, max_size=12)
QUICK = settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
def services(tiny: Tiny) -> Iterator[dict[str, Service]]:
    opened = {graph: tiny.service(graph) for graph in GRAPHS}
    yield opened
    for service in opened.values():
        service.close()


def alone(service: Service, records: Sequence[Any], ids: Sequence[str], when: float) -> list[Any]:
    """The replies of the online path, a request for each record."""
    return [
        service.run(Message([record], name, when))
        for record, name in zip(records, ids, strict=True)
    ]


def check(scored: Scored, replies: Sequence[Any], tolerance: float = 0.0) -> None:
    expected = [reply["outputs"][0] for reply in replies]
    for found, wanted in zip(scored.outputs(), expected, strict=True):
        if tolerance:
            assert found == pytest.approx(wanted, abs=tolerance)
        else:
            assert json.dumps(found) == json.dumps(wanted)  # the order of names too
    assert scored.versions == [reply["version"] for reply in replies]
    assert scored.errors == [output.get("error") for output in expected]
    stalest = [reply["stalest"] or {"entity": None, "age_s": math.nan} for reply in replies]
    assert scored.stalest.tolist() == [s["entity"] for s in stalest]
    assert repr(scored.age_s.tolist()) == repr([float(s["age_s"]) for s in stalest])
    chosen = [c and (c.policy, c.name, c.propensity, c.reason) for c in scored.routes.tolist()]
    routes = [reply["route"] for reply in replies]
    assert chosen == [
        r and (r["policy"], r["name"], r["propensity"], r.get("reason", "")) for r in routes
    ]


def named(records: Sequence[Any]) -> list[str]:
    return [f"record {place}" for place in range(len(records))]


@pytest.mark.parametrize("graph", GRAPHS)
@QUICK
@given(TABLES)
def test_records_of_all_kinds(services: dict[str, Service], graph: str, records: list[Any]) -> None:
    """To the bit, those of a Pipeline in ONNX too: trees and linear layers are alike in any number
    of rows."""
    service = services[graph]
    scored = score(service, records, ids=named(records), when=1.7e9)
    check(scored, alone(service, records, named(records), 1.7e9))


CELLS = {
    "city": (pa.string(), st.sampled_from(["Aden", "Bonn", "Ñandú", "Oslo", "", None])),
    "amount": (pa.float64(), st.one_of(st.none(), st.floats(-10, 1100), st.just(math.nan))),
    "visits": (pa.int64(), st.one_of(st.none(), st.integers(-(2**60), 2**60), st.integers(0, 9))),
    "member": (pa.bool_(), st.sampled_from([True, False, None])),
    "time": (pa.string(), st.one_of(TIMES, st.none())),
}
ROWS = st.lists(st.fixed_dictionaries({n: c[1] for n, c in CELLS.items()}), min_size=1, max_size=12)
OTHERS: dict[str, list[Any]] = {
    "city": [pa.large_string(), pa.dictionary(pa.int32(), pa.string())],
    "amount": [pa.float32(), pa.string()],
    "visits": [pa.float64(), pa.decimal128(25, 2), pa.string()],
    "member": [pa.int8()],
}


@QUICK
@given(ROWS, st.data())
def test_tables_of_all_types(
    services: dict[str, Service], rows: list[dict[str, Any]], data: st.DataObject
) -> None:
    columns = {n: pa.array([r[n] for r in rows], kind) for n, (kind, _) in CELLS.items()}
    for name, others in OTHERS.items():
        other = data.draw(st.sampled_from([None, None, *others]))
        if other is not None:
            columns[name] = columns[name].cast(other, safe=False)
    absent = data.draw(st.sampled_from([None, "amount", "member", "city"]))
    columns.pop(absent or "", None)
    table = pa.table(columns)
    records = [
        {n: float(v) if n == "visits" and v is not None and not isinstance(v, (int, str)) else v
         for n, v in record.items()}
        for record in table.to_pylist()
    ]  # fmt: skip
    scored = score(services["binary"], table, ids=named(rows), when=1.7e9)
    check(scored, alone(services["binary"], records, named(rows), 1.7e9))


def test_times_of_arrow_are_moments(services: dict[str, Service]) -> None:
    moments = [1_704_371_400.25, 1_704_067_200.0, -1.5, 253402300799.5, None]
    expected = [m and datetime.fromtimestamp(m, UTC).isoformat() for m in moments]
    for unit, factor in (("us", 10**6), ("ns", 10**9)):
        inside = [m if m is None or unit == "us" or m < 9e9 else 1.0 for m in moments]
        values = [None if m is None else int(m * 4) * factor // 4 for m in inside]
        times = pa.array(values, pa.timestamp(unit, tz="Europe/Berlin"))
        scored = score(
            services["binary"], pa.table({"city": ["Bonn"] * 5, "time": times}), when=0.0
        )
        wanted = [
            e if m == i else datetime.fromtimestamp(1, UTC).isoformat()
            for e, m, i in zip(expected, moments, inside, strict=True)
        ]
        records = [{"city": "Bonn", "time": time} for time in wanted]
        check(scored, alone(services["binary"], records, named(records), 0.0))
    far = pa.table(
        {"city": ["Bonn"] * 2, "time": pa.array([1 << 60, 0], pa.timestamp("us", tz="UTC"))}
    )
    first, second = score(services["binary"], far).errors
    assert first is not None
    assert second is None
    naive = pa.table({"city": ["Bonn"], "time": pa.array([0], pa.timestamp("s"))})
    [error] = score(services["binary"], naive).errors
    assert error is not None
    assert "expected a time with its zone" in error


WEIGHTS = "{policy: weights, versions: {champion: 60, challenger: 30, gone: 10}KEY}"


@pytest.mark.parametrize("key", ["", ", key: city", ", key: visits"])
def test_weights_choose_as_online(shop: Tiny, key: str) -> None:
    shop.edit("graphs/binary/graph.yaml", "{policy: champion}", WEIGHTS.replace("KEY", key))
    shop.models.promote("binary", "1", "challenger")
    with shop.service("binary") as service:
        cities = ["Aden", "Bonn", "Cork", None, "Oslo"]
        records = [{**ORDER, "city": cities[n % 5], "visits": n} for n in range(120)]
        records[7]["visits"], records[9]["visits"] = None, "many"
        scored = score(service, records, ids=named(records), when=1.7e9)
        check(scored, alone(service, records, named(records), 1.7e9))
        assert len(set(scored.versions) - {None}) == 2
        unnamed = score(service, records)
        assert (unnamed.versions == scored.versions) == (key == ", key: visits" or not unnamed)


RULE = "responder: true\n        class_args: {rules: [{rule: threshold, at: 0.35}]}"


def test_a_rule_decides_as_online(shop: Tiny) -> None:
    shop.edit("graphs/binary/graph.yaml", "responder: true", RULE)
    with shop.service("binary") as service:
        records = [{**ORDER, "amount": 10.0 * n} for n in range(80)]
        scored = score(service, records, ids=named(records), when=1.7e9)
        check(scored, alone(service, records, named(records), 1.7e9))
        answers = [(o["probability"], o["label"]) for o in scored.outputs()]
        assert any(p >= 0.35 and p < 0.5 and label == 1 for p, label in answers)


def step_of(service: Service, name: str) -> Any:
    call: Any = dict(service.graph._plain or ())[name]
    return call.__self__


class Doubtful(OutputRule):
    """A rule of one's own, that knows no tables."""

    rule = "doubtful"

    def apply(self, output: dict[str, Any], row: Row) -> None:
        if 0.4 < output["probability"] < 0.6:
            output["doubt"] = f"{row.version.number}: {row.fields['amount']:g}"
        output.pop("defaults", None)


def test_a_rule_that_knows_no_tables_is_applied_by_row(shop: Tiny) -> None:
    with shop.service("binary") as service:
        step_of(service, "postprocess").rules += [Threshold(0.45), Doubtful()]
        records = [{**ORDER, "amount": 10.0 * n, "visits": None} for n in range(90)]
        records[3]["amount"] = "much"
        assert service.graph.takes_tables
        scored = score(service, records, ids=named(records), when=1.7e9)
        check(scored, alone(service, records, named(records), 1.7e9))
        doubts = scored.table()["doubt"].to_pylist()
        assert {d.partition(":")[0] for d in doubts if d} == {"2"}


class Even(Policy):
    """A policy of one's own, that knows no tables."""

    def choose(self, message: Message, live: Live) -> list[Choice]:
        visits = message.columns.index("visits")
        names = [
            f"{place} {row[visits]}"
            for place, row in zip(message.places(), message.values, strict=True)
        ]
        return [Choice("even", name, live.aliases["champion"]) for name in names]


def test_a_policy_that_knows_no_tables_is_asked_with_rows(shop: Tiny) -> None:
    with shop.service("binary") as service:
        step_of(service, "router").policy = Even()
        records = [{**ORDER, "visits": n % 2} for n in range(9)]
        records[2]["visits"] = "many"
        scored = score(service, records, ids=named(records), when=1.7e9)
        check(scored, alone(service, records, named(records), 1.7e9))
        assert scored.routes.tolist()[3].name == "record 3/0 1.0"


class Halved(Postprocess):
    """A step of one's own: it knows no tables."""

    def do(self, body: Any) -> Any:
        reply: Any = super().do(body)
        for output in reply["outputs"]:
            if "probability" in output:
                output["half"] = output["probability"] / 2
        return reply


def test_a_step_that_knows_no_tables_is_run_by_record(
    shop: Tiny, caplog: pytest.LogCaptureFixture
) -> None:
    own = "tests.batch.test_scoring.Halved"
    shop.edit("graphs/binary/graph.yaml", "functions.postprocess.function.Postprocess", own)
    records = [ORDER, {**ORDER, "amount": "much"}, {**ORDER, "visits": None}]
    with shop.service("binary") as service, caplog.at_level(logging.WARNING, "sluice"):
        assert not service.graph.takes_tables
        for _ in range(2):
            scored = score(service, records, ids=named(records), when=1.7e9)
        check(scored, alone(service, records, named(records), 1.7e9))
    assert [r.message for r in caplog.records] == [
        "binary has a step without an array form: batch runs it by record"
    ]
    table = scored.table()
    assert table["half"][0].as_py() == table["probability"][0].as_py() / 2
    assert table["half"][1].as_py() is None


def test_a_table_of_answers(services: dict[str, Service]) -> None:
    records = [{**ORDER, "amount": "much"}, ORDER, {**ORDER, "visits": None}]
    outputs = services["binary"].predict(records)
    table = score(services["binary"], records).table()
    assert table.column_names == ["probability", "label", "error", "version", "defaults"]
    assert table["probability"].to_pylist() == [None, *(o["probability"] for o in outputs[1:])]
    assert table["label"].to_pylist() == [None, *(o["label"] for o in outputs[1:])]
    assert table["error"].to_pylist() == [outputs[0]["error"], None, None]
    assert table["version"].to_pylist() == [None, "2", "2"]
    assert table["defaults"].to_pylist() == [None, None, '{"visits":"null"}']
    classes = score(services["classes"], records).table()
    expected = services["classes"].predict(records)
    assert classes["probabilities"].to_pylist() == [
        None,
        *(o["probabilities"] for o in expected[1:]),
    ]
    assert score(services["binary"], [1, 2]).table()["error"].null_count == 0
    with pytest.raises(RequestError, match="at least one record"):
        score(services["binary"], [])


def test_one_event_for_at_most_a_thousand_records(shop: Tiny) -> None:
    shop.edit(
        "graphs/binary/graph.yaml",
        "training:",
        "redact: {city: hash, member: drop}\n      training:",
    )
    project = shop.project
    salted = type(project.settings)(**{**vars(project.settings), "salt": "0123456789abcdef"})
    project = type(project)(**{**vars(project), "settings": salted})
    application = Application.open(project, shop.parameters("binary"))
    records = [{**ORDER, "visits": n % 9} for n in range(2100)]
    records[1001] = {**ORDER, "city": ["Bonn"]}
    records[5]["visits"] = None
    with Service.open(project, "binary", application=application) as service:
        scored = score(service, records, ids=named(records), when=1.7e9)
    sent = sorted(events(shop, "binary"), key=lambda e: e["request"]["id"].rpartition("-")[2])
    assert [len(e["request"]["inputs"]) for e in sent] == [1000, 1000, 100]
    assert [e["request"]["id"] for e in sent] == [f"{scored.id}-{n}" for n in (0, 1000, 2000)]
    assert sent[0]["request"]["input_schema"] == ["city", "amount", "visits", "time"]
    city, *others = sent[0]["request"]["inputs"][4]
    assert len(city) == 32
    assert others == [250.5, 4, ORDER["time"]]
    first = [r for e in sent for r in e["resp"]["outputs"]]
    assert first == [[o.get("probability"), o.get("label")] for o in scored.outputs()]
    assert sent[0]["resp"]["output_schema"] == ["probability", "label"]
    assert sent[0]["sluice"]["defaults"] == {"visits": {"null": 1}}
    assert sent[1]["sluice"]["defaults"] == {}
    assert sent[1]["sluice"]["errors"] == {"1": "city: expected text, found another value"}
    assert sent[2]["sluice"]["ids"] == named(records)[2000:]
    assert sent[0]["sluice"]["route"] == {
        "policy": "champion",
        "name": "champion",
        "propensity": 1.0,
    }
    assert sent[0]["sluice"]["version"] == "2"
    assert set(sent[0]["sluice"]["ages"]) == {"weather"}
