"""Rules: the first that fits wins; conditions are typed, and tell why they hold."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.coded import Coded
from sluice.conditions import Situation, Situations, read_condition
from sluice.errors import DeclarationError
from sluice.features.definitions import Definitions
from sluice.host.event import Event
from sluice.live import Live
from sluice.message import Message
from sluice.protocol.surface import Surface
from sluice.routing import Policy, make_policy
from sluice.schema import Field, Schema
from tests.tiny import ORDER, Tiny

DEFINITIONS = Definitions(
    file=None,  # type: ignore[arg-type]
    record=Schema(
        [
            Field("city", "string"),
            Field("visits", "integer", minimum=0.0, maximum=9.0),
            Field("amount", "number"),
            Field("member", "boolean"),
            Field("time", "timestamp"),
        ]
    ),
    entities={},
)
MONDAY_NINE = 1_704_099_600.0  # 2024-01-01T09:00:00Z, 04:00 in New York
FIELDS: dict[str, Any] = {
    "city": "Bonn", "visits": 3.0, "amount": 250.5, "member": 1.0, "time": MONDAY_NINE,
}  # fmt: skip
SEEN = Situation(FIELDS, {"amount": "null"}, {"x-tenant": "acme"}, MONDAY_NINE)


def condition(data: Any) -> Any:
    return read_condition(data, "when", DEFINITIONS)


@pytest.mark.parametrize(
    ("data", "holds"),
    [
        ({"field": "city", "op": "==", "value": "Bonn"}, True),
        ({"field": "city", "op": "!=", "value": "Bonn"}, False),
        ({"field": "city", "op": "in", "value": ["Aden", "Bonn"]}, True),
        ({"field": "city", "op": "not in", "value": ["Aden", "Bonn"]}, False),
        ({"field": "city", "op": "prefix", "value": "Bo"}, True),
        ({"field": "city", "op": "prefix", "value": "bo"}, False),
        ({"field": "city", "op": "missing"}, False),
        ({"field": "amount", "op": "missing"}, True),
        ({"field": "visits", "op": "<", "value": 3}, False),
        ({"field": "visits", "op": "<=", "value": 3}, True),
        ({"field": "visits", "op": ">", "value": 2}, True),
        ({"field": "visits", "op": ">=", "value": 4}, False),
        ({"field": "visits", "op": "between", "value": [3, 3]}, True),
        ({"field": "amount", "op": "in", "value": [250.5]}, True),
        ({"field": "member", "op": "==", "value": True}, True),
        ({"field": "time", "op": "<", "value": "2024-01-01T09:00:01Z"}, True),
        ({"header": "X-Tenant", "op": "==", "value": "acme"}, True),
        ({"header": "x-other", "op": "!=", "value": "acme"}, False),
        ({"header": "x-other", "op": "missing"}, True),
        ({"time": "hour", "op": "==", "value": 9}, True),
        ({"time": "hour", "op": "==", "value": 4, "zone": "America/New_York"}, True),
        ({"time": "minute_of_day", "op": "between", "value": [540, 541]}, True),
        ({"time": "day_of_week", "op": "==", "value": 0}, True),
        ({"time": "month", "op": "in", "value": [1, 12]}, True),
        ({"time": "moment", "op": ">=", "value": "2024-01-01T09:00:00Z"}, True),
        ({"not": {"field": "city", "op": "missing"}}, True),
        (
            {"all": [{"field": "city", "op": "missing"}, {"field": "amount", "op": "missing"}]},
            False,
        ),
        (
            {"any": [{"field": "city", "op": "missing"}, {"field": "amount", "op": "missing"}]},
            True,
        ),
    ],
)
def test_what_holds(data: Any, holds: bool) -> None:
    made = condition(data)
    assert made.holds(SEEN) is holds
    assert made.explain(SEEN).holds is holds


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({}, "when: expected a condition"),
        ([], "when: expected a condition"),
        (
            {"field": "cty", "op": "missing"},
            "when.field: no record field 'cty': did you mean 'city'",
        ),
        ({"field": 7, "op": "missing"}, "when.field: expected a name"),
        ({"field": "city", "op": "<", "value": "x"}, "'<' does not fit city, which is a string"),
        ({"field": "city", "op": "=", "value": "x"}, "when.op: no operator '='.*allowed: !=, =="),
        ({"field": "city", "op": ["=="], "value": "x"}, "when.op: no operator"),
        ({"field": "city"}, "when.op: no operator None"),
        ({"field": "member", "op": ">", "value": True}, "does not fit member"),
        ({"field": "visits", "op": "==", "value": "3"}, "visits is a integer: expected a whole"),
        ({"field": "visits", "op": "==", "value": 10}, "expected 0 to 9, found 10"),
        ({"field": "amount", "op": "==", "value": math.nan}, "expected a number"),
        ({"field": "time", "op": "<", "value": "2024-01-01"}, "expected a time with its zone"),
        ({"field": "city", "op": "in", "value": "Bonn"}, "when.value: expected a list"),
        ({"field": "city", "op": "in", "value": []}, "when.value: expected a list"),
        ({"field": "city", "op": "in", "value": ["a", 7]}, r"when.value\[1\]: city is a string"),
        ({"field": "visits", "op": "between", "value": [3, 2]}, "the lower and the upper end"),
        ({"field": "city", "op": "==", "valeu": "x"}, "unknown 'valeu': did you mean 'value'"),
        ({"field": "city", "op": "=="}, "when.value: is missing"),
        ({"field": "city", "op": "missing", "value": 1}, "when.value: missing has none"),
        ({"field": "city", "header": "x", "op": "missing"}, "expected one of field, header, time"),
        ({"op": "missing"}, "expected one of field, header, time"),
        ({"field": "city", "op": "missing", "zone": "UTC"}, "only a time has a zone"),
        ({"time": "hours", "op": "==", "value": 1}, "when.time: no time 'hours': did you mean"),
        ({"time": "hour", "op": "==", "value": 24}, "expected 0 to 23, found 24"),
        ({"time": "hour", "op": "==", "value": 1, "zone": "Mars"}, "no time zone 'Mars'"),
        ({"all": []}, "when.all: expected a list of conditions"),
        ({"all": [{"field": "x"}]}, r"when.all\[0\].field: no record field"),
        ({"not": [], "field": "city"}, "when: not stands alone"),
    ],
)
def test_a_bad_condition_names_its_place(data: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        condition(data)


TESTS = st.one_of(
    st.fixed_dictionaries(
        {
            "field": st.just("city"),
            "op": st.sampled_from(["in", "not in"]),
            "value": st.lists(st.sampled_from("abc"), min_size=1),
        }
    ),
    st.fixed_dictionaries(
        {
            "field": st.just("visits"),
            "op": st.sampled_from(["==", "!=", "<", "<=", ">", ">="]),
            "value": st.integers(0, 9),
        }
    ),
    st.fixed_dictionaries({"field": st.sampled_from(["city", "visits"]), "op": st.just("missing")}),
    st.fixed_dictionaries(
        {
            "time": st.sampled_from(["hour", "day_of_week"]),
            "op": st.sampled_from(["==", "<"]),
            "value": st.integers(0, 6),
        }
    ),
    st.just({"header": "x", "op": "missing"}),
)
CONDITIONS = st.recursive(
    TESTS,
    lambda inner: st.one_of(
        st.fixed_dictionaries({"all": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"any": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"not": inner}),
    ),
    max_leaves=5,
)
ROWS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c", None]),
        st.sampled_from([0.0, 3.0, 9.0, math.nan]),
        st.booleans(),
        st.integers(0, 10**6).map(lambda s: MONDAY_NINE + s),
    ),
    min_size=1,
    max_size=8,
)


@given(CONDITIONS, ROWS)
def test_a_table_holds_as_its_rows(data: Any, rows: list[Any]) -> None:
    made = condition(data)
    city, visits, defaulted, time = (list(column) for column in zip(*rows, strict=True))
    why = np.array(defaulted, np.int8)
    columns: Mapping[str, Any] = {"city": Coded.of(city), "visits": np.array(visits)}
    seen = Situations(columns, {"city": why, "visits": why * 0}, np.array(time))
    each = [
        made.holds(Situation({"city": c, "visits": v}, {"city": "null"} if d else {}, {}, t))
        for c, v, d, t in rows
    ]
    assert made.table(seen).tolist() == each
    plain = seen._replace(fields={**columns, "city": columns["city"].array()})
    assert made.table(plain).tolist() == each


def rules(*declared: Any, default: Any = "champion") -> Policy:
    policy = make_policy("rules", {"rules": list(declared), "default": default}, "router")
    policy.check(DEFINITIONS)
    return policy


BONN = {"when": {"field": "city", "op": "==", "value": "Bonn"}, "to": "challenger", "name": "bonn"}
MANY = {"when": {"field": "visits", "op": ">", "value": 1}, "to": "champion", "name": "many"}


@pytest.fixture(scope="module")
def live(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Live:
    shop = tiny.copy(tmp_path_factory.mktemp("rules") / "shop")
    shop.models.promote("binary", "1", "challenger")
    return shop.open("binary").live()


def message_of(*rows: Any) -> Message:
    message = Message([{}] * len(rows), "id", MONDAY_NINE)
    message.columns = list(FIELDS)
    message.rows = list(range(len(rows)))
    message.values = [list({**FIELDS, **row}.values()) for row in rows]
    message.defaults = [{} for _ in rows]
    return message


def test_the_first_that_fits_wins(live: Live) -> None:
    message = message_of({}, {"city": "Aden"}, {"city": "Aden", "visits": 0.0})
    for policy, wanted in (
        (rules(BONN, MANY), ["challenger", "champion", "champion"]),
        (rules(MANY, BONN), ["champion", "champion", "champion"]),
    ):
        assert [c.name for c in policy.choose(message, live)] == wanted
    reasons = [c.reason for c in rules(BONN, MANY).choose(message, live)]
    assert reasons == ["rule bonn", "rule many", "no rule took it"]


def test_a_header_of_the_own_request_decides(live: Live) -> None:
    policy = rules({"when": {"header": "X-Try", "op": "==", "value": "1"}, "to": "challenger"})
    assert policy.headers == ("x-try",)
    first, second = Message([{}], "a"), Message([{}], "b")
    second.headers = {"x-try": "1"}
    message = message_of({}, {})
    message.parts = [first, second]
    assert [c.name for c in policy.choose(message, live)] == ["champion", "challenger"]


def test_it_says_why(live: Live) -> None:
    told = rules(BONN, MANY).explain(message_of({"city": "Aden"}, {"city": "Aden", "visits": 0.0}))
    assert [[(e.text, e.holds) for e in row] for row in told] == [
        [("bonn", False), ("many", True)],
        [("bonn", False), ("many", False)],
    ]
    assert told[0][0].parts[0].text == "city == Bonn"
    assert told[0][0].parts[0].found == "Aden"


def test_a_version_that_is_not_live_passes_its_rows_to_the_champion(live: Live) -> None:
    choice = rules({**BONN, "to": "nobody"}).choose(message_of({}), live)[0]
    assert choice.name == "champion"
    assert choice.reason == "rule bonn; nobody is not live: no such alias"


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({"rules": [], "default": "champion"}, "rules: expected a list"),
        ({"rules": [BONN]}, "default"),
        ({"rules": [BONN, BONN], "default": "champion"}, "two are named 'bonn'"),
        ({"rules": [7], "default": "champion"}, r"rules\[0\]: expected a mapping"),
        ({"rules": [{"when": {}, "too": "x"}], "default": "a"}, "'too': did you mean 'to'"),
        ({"rules": [{"when": {}}], "default": "a"}, r"rules\[0\].to: is missing"),
        ({"rules": [{"to": "a"}], "default": "a"}, r"rules\[0\].when: is missing"),
        ({"rules": [{**BONN, "to": "2"}], "default": "a"}, r"rules\[0\].to: expected an alias"),
        ({"rules": [{**BONN, "name": 1}], "default": "a"}, r"rules\[0\].name: expected text"),
        (
            {"rules": [{**BONN, "to": {"policy": "ensemble"}}], "default": "a"},
            r"rules\[0\].to: policy ensemble: .*members",
        ),
        (
            {"rules": [BONN], "default": {"policy": "weigths"}},
            "default: no policy 'weigths' .did you mean 'weights'",
        ),
    ],
)
def test_a_bad_declaration_names_its_field(params: dict[str, Any], problem: str) -> None:
    with pytest.raises(DeclarationError, match=problem):
        make_policy("rules", params, "router.class_args")


def test_a_field_that_no_record_has_is_refused_when_the_graph_loads(shop: Tiny) -> None:
    declared = (
        "{policy: rules, default: champion, rules: "
        "[{when: {all: [{field: cty, op: missing}]}, to: champion}]}"
    )
    shop.edit("graphs/binary/graph.yaml", "{policy: champion}", declared)
    with pytest.raises(DeclarationError) as error:
        shop.service("binary")
    wanted = "router.class_args: rules[0].when.all[0].field: no record field 'cty': did you mean"
    assert wanted in str(error.value)


def test_headers_reach_the_policy_over_http(shop: Tiny) -> None:
    shop.models.promote("binary", "1", "challenger")
    declared = (
        "{policy: rules, default: champion, rules: "
        '[{when: {header: X-Try, op: prefix, value: "y"}, to: challenger}]}'
    )
    shop.edit("graphs/binary/graph.yaml", "{policy: champion}", declared)
    with shop.service("binary") as service:
        surface = Surface(service)
        for headers, name in (({"X-Try": "yes"}, "challenger"), ({}, "champion")):
            event = Event(json.dumps(ORDER).encode(), "POST", "/", headers)
            reply = json.loads(surface.answer(event).body)
            assert reply["route"]["name"] == name
