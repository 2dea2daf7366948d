"""The events of most requests: as the builder makes them, to the byte."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.compiled import EVENT, compiled
from sluice.message import Choice, Message
from sluice.monitoring.emitter import Emitter
from sluice.monitoring.event import EventBuilder, Observation, Source
from sluice.monitoring.features import Features
from sluice.monitoring.lone import Answered, Lone, is_lone
from sluice.monitoring.redaction import Redaction
from tests.tiny import ORDER, Tiny

pytestmark = pytest.mark.skipif(
    compiled("writer", EVENT) is None, reason="installed without a C compiler"
)
PLAIN = st.one_of(
    st.none(), st.booleans(), st.floats(), st.integers(-(2**53), 2**53), st.text(max_size=5)
)
NAMES = st.sampled_from(["a", "b", "c", "é", 'a"b', "explain"])


class Kept:
    """In place of an emitter: keeps the messages and replies that it is asked to tell of."""

    def __init__(self, builder: EventBuilder, *, lone: bool) -> None:
        self._build, self.lone = builder, Lone.of(builder) if lone else None
        self.events: list[Any] = []

    def emit(self, observation: Observation) -> None:
        self.events.append(self._build(observation._replace(duration_us=7), 50.0))

    def emit_lone(self, answered: Sequence[Answered]) -> None:
        assert self.lone is not None
        self.events += self.lone([(message, reply, 7) for message, reply, _ in answered], 50.0)

    def close(self) -> None:
        """Nothing is held."""


class FixedTimings(dict[str, float]):
    """Timings that do not vary."""

    def __setitem__(self, step: str, us: float) -> None:
        super().__setitem__(step, float(len(step)))


def bodies(order: dict[str, Any]) -> list[Any]:
    return [
        order,
        {**order, "note": {"of": "no field"}, "more": [1, 2]},
        {name: order[name] for name in reversed(order)},
        {**order, "city": "Oslo", "amount": None},
        [order],
        [order, {**order, "amount": 900}],
        [{**order, "amount": "much"}],
    ]


@pytest.mark.parametrize("kind", ["binary", "classes", "regression"])
def test_they_are_what_the_builder_makes(tiny: Tiny, kind: str) -> None:
    application = tiny.open(kind)
    service = tiny.service(kind, application)
    told: dict[bool, list[Any]] = {}
    for lone in (False, True):
        builder = EventBuilder(Source("tiny", inputs=application.definitions.record.names))
        kept = Kept(builder, lone=lone)
        application.emitter = cast(Emitter, kept)
        for place, body in enumerate(bodies(ORDER)):
            message = Message.of(body)
            message.id, message.when = f"request-{place}", 1_700_000_000.25 + place
            message.headers = {"traceparent": "00-ab-cd-01", "other": "x"} if place % 2 else {}
            message.timings = FixedTimings()
            service.run(message)
        told[lone] = kept.events
    assert told[True] == told[False]
    assert len(told[True]) == 7


def lone_message(n: int, record: Any, output: Any, looked_up: Any) -> tuple[Message, Any]:
    """A request with one record that has one row, and its reply."""
    message = Message.of(record)
    message.id, message.when, message.timings = f'request "{n}"', n + 0.3, {"enrich": 1.5, "é": n}
    message.columns, message.rows = ["a", *looked_up], [0]
    message.values, message.defaults = [[1.0, *looked_up.values()]], [dict.fromkeys(output, "null")]
    message.outputs, message.route = [output], [Choice("weights", "b", "2", 0.1 * (n % 3))]
    stalest = {"entity": "plane", "age_s": n / 7} if n % 2 else None
    route = {"policy": "weights", "name": "b", "propensity": 0.1 * (n % 3)}
    return message, {"model": "shop", "version": "2", "route": route, "stalest": stalest}


def observation_of(message: Message, reply: Any) -> Observation:
    stalest = reply["stalest"]
    return Observation(
        id=message.id, graph="shop", version="2", when=message.when, duration_us=7,
        records=message.records, outputs=message.outputs, route=reply["route"],
        ages={stalest["entity"]: stalest["age_s"]} if stalest else {},
        defaults=message.defaults, timings=message.timings,
        features=Features(message.columns, 1, [0], message.values, 1),
    )  # fmt: skip


def outcome(make: Any, *of: Any) -> Any:
    try:
        return make(*of)
    except TypeError:
        return TypeError


def one(lone: Lone, message: Message, reply: Any, us: int = 7) -> Any:
    [event] = lone([(message, reply, us)], 50.0)
    return event


@given(
    st.lists(
        st.tuples(
            st.dictionaries(NAMES, PLAIN | st.lists(PLAIN, max_size=2)),
            st.dictionaries(NAMES, PLAIN | st.dictionaries(NAMES, PLAIN) | st.tuples(PLAIN)),
            st.dictionaries(st.sampled_from(["x", "y"]), PLAIN),
        ),
        max_size=4,
    )
)
def test_it_is_so_for_all_that_json_has(requests: list[Any]) -> None:
    whole, parts = (EventBuilder(Source("shop", inputs=["a"])) for _ in range(2))
    lone = Lone.of(parts)
    assert lone is not None
    for n, request in enumerate(requests):
        message, reply = lone_message(n, *request)
        expected = outcome(whole, observation_of(message, reply), 50.0)
        assert outcome(one, lone, message, reply) == expected


def test_what_json_has_not_is_no_event_and_nothing_is_lost_by_it() -> None:
    builder = EventBuilder(Source("shop", inputs=["a"]))
    lone = Lone.of(builder)
    assert lone is not None
    good = lone_message(1, {"a": np.float32(0.5)}, {"p": np.float64(0.25)}, {})
    for record, output in (({"a": object()}, {"p": 1.0}), ({"a": 1}, {"p": 1j})):
        with pytest.raises(TypeError):
            one(lone, *lone_message(1, record, output, {}))
    assert one(lone, *good) == builder(observation_of(*good), 50.0)


@pytest.mark.parametrize("value", [0.5, [0.5]])
@pytest.mark.parametrize("name", [1, None, (), b"p", "\ud800", np.str_("p")])
def test_names_that_are_no_plain_text_end_as_with_the_builder(name: Any, value: Any) -> None:
    whole, parts = (EventBuilder(Source("shop", inputs=["a"])) for _ in range(2))
    lone = Lone.of(parts)
    assert lone is not None
    for output in ({"p": 1.0}, {name: value}, {"p": 1.0}, {"p": 1.0, name: value}, {name: value}):
        message, reply = lone_message(1, {"a": 1}, output, {})
        message.defaults = [{}]
        expected = outcome(whole, observation_of(message, reply), 50.0)
        assert outcome(one, lone, message, reply) == expected


LOOKS = [({"a": 1}, {"p": 1.0}), ({"a": 2, "b": "x"}, {"p": 0.5}), ({"a": 3}, {"q": [1], "p": 2})]


@given(st.lists(st.sampled_from(LOOKS), min_size=1, max_size=8))
def test_those_that_share_a_message_are_made_as_each_alone(looks: list[Any]) -> None:
    whole, parts = (EventBuilder(Source("shop", inputs=["a"])) for _ in range(2))
    lone, columns = Lone.of(parts), ["a"]
    assert lone is not None
    asked = [lone_message(n, record, output, {}) for n, (record, output) in enumerate(looks)]
    for message, _ in asked:
        message.columns, message.timings = columns, {"enrich": 2.5}
    expected = [whole(observation_of(*each), 50.0) for each in asked]
    assert lone([(*each, 7) for each in asked], 50.0) == expected


DECIMAL = st.builds(
    lambda whole, places: whole / 10**places, st.integers(0, 10**17), st.integers(0, 12)
)


@given(st.lists(st.floats() | DECIMAL | DECIMAL.map(lambda x: -x) | st.integers(-(2**64), 2**64)))
def test_numbers_read_as_orjson_writes_them(numbers: list[float]) -> None:
    builder = EventBuilder(Source("shop", inputs=["a"]))
    lone = Lone.of(builder)
    assert lone is not None
    message, reply = lone_message(1, {"a": 1}, {"p": 1.0}, dict(enumerate(numbers)))
    message.columns = [str(column) for column in message.columns]
    expected = outcome(builder, observation_of(message, reply), 50.0)
    assert outcome(one, lone, message, reply) == expected


@given(st.floats(0, 253_370_764_799))
def test_moments_are_as_datetime_has_them(when: float) -> None:
    builder = EventBuilder(Source("shop", inputs=["a"]))
    lone, (message, reply) = Lone.of(builder), lone_message(1, {"a": 1}, {"p": 1.0}, {})
    assert lone is not None
    message.when = when
    assert one(lone, message, reply) == builder(observation_of(message, reply), 50.0)


@pytest.mark.parametrize("when", [-0.5, float("nan"), 253_402_300_800.0])
def test_a_moment_that_is_in_no_calendar_goes_the_long_way(when: float) -> None:
    message, _ = lone_message(1, {"a": 1}, {"p": 1.0}, {})
    assert is_lone(message)
    message.when = when
    assert not is_lone(message)


@pytest.mark.parametrize("us", [0, -1, 10**18, -(10**18), 2**63 - 1, -(2**63)])
def test_no_time_is_too_long(us: int) -> None:
    builder = EventBuilder(Source("shop", inputs=["a"]))
    lone, asked = Lone.of(builder), lone_message(1, {"a": 1}, {"p": 1.0}, {})
    assert lone is not None
    expected = builder(observation_of(*asked)._replace(duration_us=us), 50.0)
    assert one(lone, *asked, us) == expected


def test_a_layout_that_cannot_be_made_is_tried_again() -> None:
    builder = EventBuilder(Source("shop", inputs=["a"]))
    lone = Lone.of(builder)
    assert lone is not None
    one(lone, *lone_message(1, {"a": 1}, {"p": 1.0}, {}))
    for _ in range(2):
        with pytest.raises(TypeError):
            lone([(*lone_message(1, {"b": 1}, {"p": 1.0}, {}), 7)], cast(float, object))


def test_what_is_redacted_goes_the_long_way() -> None:
    plain = EventBuilder(Source("tiny"))
    assert Emitter(lambda: cast(Any, None), "t", plain).lone is not None
    secret = EventBuilder(Source("tiny"), Redaction({"city": "drop"}))
    assert Emitter(lambda: cast(Any, None), "t", secret).lone is None
    ordered = EventBuilder(Source("tiny", outputs=["p", "q"]))
    assert Emitter(lambda: cast(Any, None), "t", ordered).lone is None
