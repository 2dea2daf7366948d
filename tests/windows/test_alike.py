"""Events read by column: what they come to is what they come to one by one, to the last bit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.compiled import compiled
from sluice.streams import Message
from sluice.windows.alike import Read
from sluice.windows.counting import Counting
from sluice.windows.declared import Segment
from sluice.windows.event import read_events
from sluice.windows.facts import Facts
from sluice.windows.versions import Versions
from sluice.windows.views import Cells
from tests.streaming.shop import read as read_topic
from tests.streams.fakes import FakeClock
from tests.tiny import ORDER, Tiny
from tests.windows.world import BEGAN, World, ask, observation

columns_of: Read | None = compiled("columns", "sluice.windows._alike")
pytestmark = pytest.mark.skipif(columns_of is None, reason="installed without a C compiler")
UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, OverflowError)


@pytest.fixture(scope="module")
def world(tiny: Tiny) -> World:
    return World(tiny, "binary", "")


def make(world: World) -> Counting:
    segments = [Segment("city"), Segment("visits", values=("3",))]
    versions = Versions(world.tiny.models, world.graph, segments)
    return Counting(versions, world.tiny.definitions.record, ["city", "visits"], 3600)


def counted(counting: Counting, facts: Sequence[Facts]) -> Any:
    """All that is counted of events, and all that is kept of their rows, for comparing."""
    cells: Cells = {}
    rows: list[Any] = []
    for some in facts:
        counting.count(some, np.arange(len(some)), cells)
        versions, routes = some.versions, some.routes
        columns: list[Any] = [versions.codes, routes.codes, some.kind, some.own]
        for row in range(len(some)):
            version, route, *others = (int(column[row]) for column in columns)
            numbers = [some.when[row], *some.scores[row], some.unmoved[row]]
            views = [view.words[view.codes[row]] for view in some.views]
            kept = some.digests[row], repr(numbers), others, views
            rows.append((*kept, versions.words[version], routes.words[route]))
    return sorted(rows, key=repr), {
        key: {n: counts.tolist() for n, counts in sorted(cell.counts.items()) if counts.any()}
        for key, cell in sorted(cells.items())
    }


def one_by_one(counting: Counting, values: Sequence[bytes]) -> list[Facts]:
    return [facts for value in values for facts in counting.facts(read_events([value]))]


def both(world: World, values: list[bytes]) -> list[int]:
    """Which events are not read by column; the others come to what they come to one by one."""
    counting = make(world)
    found, rest = counting.alike(values)
    left = [values[place] for place in rest]
    expected = counted(counting, one_by_one(counting, values))
    assert counted(counting, [*found, *one_by_one(counting, left)]) == expected
    return rest


def events(world: World, many: Sequence[dict[str, Any]]) -> list[bytes]:
    seen = [observation(f"id-{n}", BEGAN + n / 7, **fields) for n, fields in enumerate(many)]
    return [message.value for message in world.events(seen)]


def test_most_events_are(world: World) -> None:
    assert both(world, events(world, [{}] * 50)) == []
    cities = [{"records": [{**ORDER, "city": city, "amount": n}]}
              for n, city in enumerate(["Bonn", "Oslo", "Köln", None] * 3)]  # fmt: skip
    assert both(world, events(world, cities)) == []
    defaults: list[dict[str, Any]] = [
        {"ages": {}, "defaults": [{}]},
        {"ages": {"weather": 7.0, "plane": 0.25}, "defaults": [{"amount": "stale"}]},
        {"defaults": {"city": {"unknown": 1}}, "route": {"policy": "p", "name": "n", "odd": 0.1}},
    ]
    assert both(world, events(world, defaults * 4)) == []


@pytest.mark.parametrize("graph", ["binary", "classes", "regression"])
def test_those_of_requests_are(shop: Tiny, graph: str) -> None:
    """As the service emits them, with all that is looked up and whatever defaults stand in."""
    asked = World(shop, graph)
    with asked.service() as service:
        for n, city in enumerate(["Bonn", "Oslo", None, "Köln"] * 5):
            ask(service, f"id-{n}", BEGAN + n, {**ORDER, "city": city, "amount": n / 3})
    values = [record.value for record in read_topic(asked.stream(FakeClock()), asked.topic)]
    assert len(values) == 20
    assert both(asked, values) == []


def test_versions_and_layouts_have_templates_of_their_own(world: World) -> None:
    kinds: list[dict[str, Any]] = [
        {"version": "1"}, {"version": "2"}, {"version": "1+2"},
        {"timings": {"model": 3.0}}, {"records": [{**ORDER, "more": 7}]},
        {"outputs": [{"prediction": 0.5}]},
    ]  # fmt: skip
    assert both(world, events(world, kinds * 6)) == []


def test_what_a_correction_moved_is_read(world: World) -> None:
    moved = [{"outputs": [{"probability": p, "correction": {"from": 0.5, "by": 0.1}}]}
             for p in (0.25, 0.5, 0.75)]  # fmt: skip
    assert both(world, events(world, [*moved, {}])) == []
    counting = make(world)
    [facts], _ = counting.alike(events(world, moved))
    assert np.nansum(facts.unmoved) == 1.0


def test_answers_of_many_classes_are_read(world: World) -> None:
    details = [{"outputs": [{"probabilities": {"a": p, "b": 1 - p}, "label": "a"}]}
               for p in (0.25, 0.5, 0.75)]  # fmt: skip
    columns = [{"outputs": [{"probabilities.a": p, "probabilities.b": 1 - p}]} for p in (0.5, 1.0)]
    assert (
        both(world, events(world, [*details, *columns, {"outputs": [{"rank": 7}]}, *details])) == []
    )
    [facts] = make(world).alike(events(world, details))[0]
    assert facts.scores.tolist() == [[0.25, 0.75], [0.5, 0.5], [0.75, 0.25]]


def test_what_only_seems_alike_is_read_one_by_one(shop: Tiny) -> None:
    """A detail that cannot be read: only its own event is a dead letter."""
    world = World(shop, "binary")
    values = events(world, [{"outputs": [{"probabilities": {"a": 0.5, "b": 0.5}}]}] * 5)
    values[3] = values[3].replace(b'"probabilities":{', b'"probabilities":[{').replace(
        b'"b":0.5}', b'"b":0.5}]'
    )  # fmt: skip
    world.produce(world.topic, [Message(value) for value in values])
    world.work()
    assert world.counters() == {"events": 4, "dead_letters": 1}


def test_what_is_nested_too_deep_is_a_dead_letter(shop: Tiny) -> None:
    world = World(shop, "binary")
    values = events(world, [{"records": [{**ORDER, "more": 7}]}] * 5)
    values[0] = values[0].replace(b",7]", b"," + b"[" * 100_000 + b"]" * 100_000 + b"]")
    values[3] = values[3].replace(b",7]", b"," + b"[" * 200 + b"]" * 200 + b"]")
    world.produce(world.topic, [Message(value) for value in values])
    world.work()
    assert world.counters() == {"events": 4, "dead_letters": 1}


ODD: dict[str, dict[str, Any]] = {
    "failed": {"version": None, "error": (500, "no"), "outputs": ()},
    "two records": {"records": [ORDER, ORDER], "outputs": [{"probability": 0.5}] * 2},
    "refused": {"outputs": [{"error": "no"}]},
    "several ways": {"route": {"policy": "p"}},
    "a version of its own": {"outputs": [{"probability": 0.5, "version": "1"}]},
    "a table's correction": {"outputs": [{"probability": 0.5, "correction.from": 0.4}]},
    "no version": {"version": None},
    "text for a number": {"records": [{**ORDER, "amount": "250.5"}]},
    "text with an escape": {"records": [{**ORDER, "city": 'a "b"'}]},
    "before its time": {"when": -1.0},
}


@pytest.mark.parametrize("name", ODD)
def test_what_is_odd_is_read_by_itself(world: World, name: str) -> None:
    seen = [observation(f"id-{n}", **{"when": BEGAN, **(ODD[name] if n % 3 == 1 else {})})
            for n in range(12)]  # fmt: skip
    values = [message.value for message in world.events(seen)]
    counting = make(world)
    assert counting.alike(values)[1] == [1, 4, 7, 10]
    assert counting.alike(values[1:2]) == ([], [0])
    if name != "before its time":
        both(world, values)


plain = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False)
anything = plain | st.text(max_size=5) | st.sampled_from(["Bonn", "2024-01-04T12:30:00Z"])
observations = st.fixed_dictionaries(
    {},
    optional={
        "records": st.lists(st.fixed_dictionaries(dict.fromkeys(ORDER, anything)), min_size=1,
                            max_size=1),
        "outputs": st.floats(0, 1).map(lambda p: [{"probability": p, "label": int(p > 0.5)}])
        | st.floats(0, 1).map(lambda p: [{"probabilities": {"a": p, "b": 0.5}}]),
        "version": st.sampled_from(["1", "2", "9"]),
        "route": st.fixed_dictionaries({"policy": st.sampled_from("ab"), "name": st.text()}),
        "ages": st.dictionaries(st.sampled_from("ab"), st.floats(0, 1e9), max_size=2),
        "timings": st.dictionaries(st.sampled_from("ab"), st.floats(0, 1e9), max_size=2),
        "defaults": st.dictionaries(st.sampled_from(["city", "amount"]), st.just("null")).map(
            lambda row: [row]
        ),
        "duration_us": st.integers(0, 10**9),
        "error": st.just((400, "bad")),
    },
)  # fmt: skip


@given(st.lists(observations, min_size=1, max_size=8))
def test_whatever_is_seen(world: World, many: list[dict[str, Any]]) -> None:
    try:
        values = events(world, many)
    except TypeError:  # an integer that JSON of ours does not take
        return
    both(world, values)


@st.composite
def damages(draw: st.DrawFn) -> Any:
    """Bytes that are put in the place of others, which may be none."""
    few = st.sampled_from([*b'"\\,:{}[]01.eE-+ntf \n\xff\xc3', 0])
    return draw(st.integers(0, 2000)), draw(st.integers(0, 3)), bytes(draw(st.lists(few)))


@given(st.lists(damages(), min_size=1, max_size=3))
def test_damaged_events_are_what_they_are_one_by_one(world: World, damaged: list[Any]) -> None:
    """What cannot be read by itself is never read by column."""
    counting = make(world)
    [value, *_] = whole = events(world, [{}] * 3)
    assert counting.alike(whole)[1] == []
    for place, gone, there in damaged:
        at = place % len(value)
        value = value[:at] + there + value[at + gone :]
    found, rest = counting.alike([value])
    try:
        expected = counted(counting, one_by_one(counting, [value]))
    except UNREADABLE:
        assert rest == [0]
        return
    assert rest == [0] or counted(counting, found) == expected
