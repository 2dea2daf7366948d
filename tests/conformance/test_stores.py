"""What every online store must answer. Add a new one to STORES and it is tested."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sluice.features.embedded import EmbeddedStore
from sluice.features.store import TIMELESS, Found, Key, Layout, OnlineStore, Row, Rows, open_store
from sluice.features.v3io import open_v3io
from tests.features import v3io_tables
from tests.servers import aws, empty_aws, let_in, name_of, shared_redis

Open = Callable[[Path, tuple[str, str]], OnlineStore]


def in_redis(path: Path, prefix: tuple[str, str]) -> OnlineStore:
    project, graph = prefix
    return open_store(shared_redis().url, (project, f"{graph}{path}"))


def in_dynamodb(path: Path, prefix: tuple[str, str]) -> OnlineStore:
    return open_store(f"dynamodb://eu-central-1/{name_of(path)}?endpoint={aws()}&timeout=5", prefix)


def in_v3io(path: Path, prefix: tuple[str, str]) -> OnlineStore:
    known = v3io_tables.variables(v3io_tables.shared_tables())
    return open_v3io(v3io_tables.url(f"{name_of(path)}?timeout=5"), prefix, known)


STORES: dict[str, Open] = {
    "embedded": EmbeddedStore,
    "redis": in_redis,
    "dynamodb": in_dynamodb,
    "v3io": in_v3io,
}

GRAPH = ("project", "graph")


def layout(entity: str = "weather", keys: int = 1, features: int = 1) -> Layout:
    return Layout(
        entity=entity,
        source="sources.weather",
        timestamp="time",
        keys=tuple((f"key{i}", "string") for i in range(keys)),
        features=tuple((f"feature{i}", "number") for i in range(features)),
    )


@pytest.fixture(params=sorted(STORES))
def opened(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Open:
    let_in(monkeypatch)
    if request.param == "dynamodb":
        empty_aws()
    return STORES[request.param]


@pytest.fixture
def quick(opened: Open) -> bool:
    """Whether the store is not one whose server is a stand-in in Python."""
    return opened not in (in_dynamodb, in_v3io)


@pytest.fixture
def store(opened: Open, tmp_path: Path) -> Iterator[OnlineStore]:
    store = opened(tmp_path / "store", GRAPH)
    yield store
    store.close()


def fill(store: OnlineStore, rows: list[Row], features: int = 1, keys: int = 1) -> None:
    made = layout(features=features, keys=keys)
    assert store.put_many(made, rows) == len(rows)
    store.publish(made)


def times(store: OnlineStore, key: Key, moments: list[float]) -> list[float | None]:
    found = store.get_many([("weather", key)] * len(moments), moments)
    return [None if f is None else f[0] for f in found]


def test_the_newest_row_at_or_before_the_time_is_answered(store: OnlineStore) -> None:
    fill(store, [(("JFK",), t, [t * 10]) for t in (3.0, 1.0, 2.0)])
    asked = [0.9, 1.0, 1.9, 2.0, 2.5, 3.0, 1e12]
    assert times(store, ("JFK",), asked) == [None, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0]
    assert store.get_many([("weather", ("JFK",))], 2.5) == [(2.0, [20.0])]


def test_negative_fractional_and_extreme_times_keep_their_order(store: OnlineStore) -> None:
    moments = [-1e300, -2.5, -2.0, -1e-300, 0.0, 5e-324, 0.1, 0.30000000000000004, 1e300]
    fill(store, [(("JFK",), t, [t]) for t in moments])
    assert times(store, ("JFK",), moments) == moments
    before = [math.nextafter(t, -math.inf) for t in moments]
    assert times(store, ("JFK",), before) == [None, *moments[:-1]]
    assert times(store, ("JFK",), [-0.0, math.inf, -math.inf]) == [0.0, 1e300, None]


def test_a_row_written_again_replaces_the_one_of_its_time(store: OnlineStore) -> None:
    fill(store, [(("JFK",), 1.0, [1.0]), (("JFK",), 2.0, [2.0])])
    fill(store, [(("JFK",), 1.0, [7.0])])
    assert store.get_many([("weather", ("JFK",))] * 2, [1.0, 2.0]) == [(1.0, [7.0]), (2.0, [2.0])]


def test_writing_the_same_rows_twice_changes_nothing(store: OnlineStore) -> None:
    rows: list[Row] = [((name,), t, [t]) for name in ("JFK", "LGA") for t in (1.0, 2.0)]
    asked = [("weather", (name,)) for name in ("JFK", "LGA", "EWR")]
    fill(store, rows)
    once = store.get_many(asked, 5.0)
    fill(store, rows[::-1])
    assert store.get_many(asked, 5.0) == once


def test_keys_that_are_not_there_are_none_in_their_place(store: OnlineStore) -> None:
    fill(store, [(("JFK",), 1.0, [1.0])])
    asked: list[tuple[str, Key]] = [
        ("weather", ("LGA",)), ("weather", ("JFK",)), ("planes", ("JFK",)), ("weather", ("JF",)),
        ("weather", ("JFKX",)), ("weather", ()),
    ]  # fmt: skip
    assert store.get_many(asked, 1.0) == [None, (1.0, [1.0]), None, None, None, None]
    assert store.get_many([], 1.0) == []
    assert store.get_many([], []) == []


def test_no_key_is_taken_for_another(store: OnlineStore) -> None:
    keys: list[Key] = [
        ("a", "bc"), ("ab", "c"), ("abc", ""), ("", "abc"), ("a\0", "bc"), ("a", "\0bc"),
        (1.0, "1.0"), ("1.0", 1.0), ("x" * 600, "y"), ("x" * 600, "z"), ("\ud800", "a"),
        ("\ud801", "a"), ("Zürich", "東京"), ("🛫", "🛬"), (-1.0, "a"), (1e300, "a"),
    ]  # fmt: skip
    fill(store, [(key, 1.0, [float(i)]) for i, key in enumerate(keys)], keys=2)
    found = store.get_many([("weather", key) for key in keys], 1.0)
    assert found == [(1.0, [float(i)]) for i in range(len(keys))]


def test_equal_numbers_are_equal_keys(store: OnlineStore) -> None:
    fill(store, [((1,), 1.0, [1.0]), ((0.0,), 1.0, [2.0])])
    asked: list[tuple[str, Key]] = [("weather", (k,)) for k in (1.0, 1, True, -0.0, 0)]
    found = [f and f[1] for f in store.get_many(asked, 1.0)]
    assert found == [[1.0], [1.0], [1.0], [2.0], [2.0]]


def test_values_come_back_as_they_are_and_null_as_none(store: OnlineStore) -> None:
    values = [1.5, None, math.nan, "Zürich", "", 7, -0.0, math.inf]
    fill(store, [(("JFK",), 1.0, values)], features=len(values))
    [found] = store.get_many([("weather", ("JFK",))], 1.0)
    assert found == (1.0, [1.5, None, None, "Zürich", "", 7.0, 0.0, math.inf])
    assert [type(v) for v in found[1]].count(float) == 4
    assert math.copysign(1, found[1][6]) == -1  # type: ignore[arg-type]


def test_a_row_without_time_is_known_at_any_time(store: OnlineStore) -> None:
    fill(store, [(("N1",), TIMELESS, [1.0])])
    found = store.get_many([("weather", ("N1",))] * 4, [-math.inf, 0.0, math.inf, math.nan])
    assert found == [(TIMELESS, [1.0])] * 4


def test_nan_is_before_all_time(store: OnlineStore) -> None:
    fill(store, [(("JFK",), -1e300, [1.0])])
    assert store.get_many([("weather", ("JFK",))], math.nan) == [None]


def test_many_keys_in_one_call(store: OnlineStore, quick: bool) -> None:
    n = 2000 if quick else 150
    fill(store, [((f"N{i}",), float(t), [i + t]) for i in range(n) for t in range(3)])
    asked = [("weather", (f"N{i}",)) for i in range(n + 50)]
    found = store.get_many(asked, [float(i % 3) for i in range(n + 50)])
    assert found[:n] == [(i % 3, [i + i % 3]) for i in range(n)]
    assert found[n:] == [None] * 50


def test_a_row_that_does_not_fit_is_refused_and_none_is_written(store: OnlineStore) -> None:
    fill(store, [])
    good: Row = (("JFK",), 1.0, [1.0])
    bad: list[Row] = [
        (("JFK",), 1.0, [1.0, 2.0]), (("JFK", "x"), 1.0, [1.0]), (("JFK",), math.nan, [1.0])
    ]  # fmt: skip
    for row in bad:
        with pytest.raises(ValueError, match="weather"):
            store.put_many(layout(), [good, row])
    assert store.get_many([("weather", ("JFK",))], 9.0) == [None]


def test_a_layout_is_read_as_published(store: OnlineStore) -> None:
    assert store.layout("weather") is None
    store.put_many(layout(), [(("JFK",), 1.0, [1.0])])
    assert store.layout("weather") is None
    assert store.get_many([("weather", ("JFK",))], 1.0) == [None]
    store.publish(layout())
    assert store.layout("weather") == layout()
    assert store.get_many([("weather", ("JFK",))], 1.0) == [(1.0, [1.0])]


def test_rows_of_another_layout_are_never_read(store: OnlineStore) -> None:
    fill(store, [(("JFK",), 1.0, [1.0]), (("LGA",), 1.0, [1.0])])
    fill(store, [(("JFK",), 1.0, [1.0, 2.0])], features=2)
    asked: list[tuple[str, Key]] = [("weather", ("JFK",)), ("weather", ("LGA",))]
    assert store.get_many(asked, 1.0) == [(1.0, [1.0, 2.0]), None]
    store.publish(layout())
    assert store.get_many(asked, 1.0) == [None, None]


def test_graphs_and_entities_share_a_store_without_meeting(opened: Open, tmp_path: Path) -> None:
    prefixes = [("p", "g"), ("p", "h"), ("pg", ""), ("", "pg")]
    stores = [opened(tmp_path / "store", prefix) for prefix in prefixes]
    for i, store in enumerate(stores):
        for j, entity in enumerate(("a", "ab")):
            store.put_many(layout(entity), [(("k",), 1.0, [float(10 * i + j)])])
            store.publish(layout(entity))
    for i, store in enumerate(stores):
        found = store.get_many([("a", ("k",)), ("ab", ("k",))], 1.0)
        assert found == [(1.0, [10.0 * i]), (1.0, [10.0 * i + 1])]
        store.close()
        store.close()


def test_what_was_written_is_there_after_opening_again(opened: Open, tmp_path: Path) -> None:
    store = opened(tmp_path / "store", GRAPH)
    fill(store, [(("JFK",), 1.0, [1.0])])
    store.close()
    again = opened(tmp_path / "store", GRAPH)
    assert again.layout("weather") == layout()
    assert again.get_many([("weather", ("JFK",))], 1.0) == [(1.0, [1.0])]
    again.close()


def test_a_transaction_reads_what_it_writes(store: OnlineStore) -> None:
    def work(rows: Rows) -> list[float]:
        assert rows.ensure(layout()) == layout()
        for t in (1.0, 3.0, 2.0):
            rows.put(layout(), (("JFK",), t, [t * 10]))
        rows.put(layout(), (("JFKX",), 2.5, [0.0]))
        newer, base = rows.around(layout(), ("JFK",), 1.5)
        assert base == (1.0, [10.0])
        assert rows.around(layout(), ("JFK",), 0.5)[1] is None
        assert rows.around(layout(), ("JF",), 9.0) == ([], None)
        return [t for t, _ in newer]

    assert store.update(work) == [3.0, 2.0]
    assert times(store, ("JFK",), [1.0, 2.0, 3.0]) == [1.0, 2.0, 3.0]
    store.update(lambda rows: rows.clear(layout(), ("JFK",)))
    assert times(store, ("JFK",), [9.0]) == [None]
    assert times(store, ("JFKX",), [9.0]) == [2.5]


def test_a_transaction_that_raises_writes_nothing(store: OnlineStore) -> None:
    def work(rows: Rows) -> None:
        rows.ensure(layout())
        rows.put(layout(), (("JFK",), 1.0, [1.0]))
        rows.keep(b"a", b"1")
        rows.put(layout(), (("JFK",), 2.0, [1.0, 2.0]))

    with pytest.raises(ValueError, match="weather: expected 1 key parts and 1 values"):
        store.update(work)
    assert store.layout("weather") is None
    assert store.state(b"a") is None


def test_the_layout_that_is_published_stays(store: OnlineStore) -> None:
    fill(store, [(("JFK",), 1.0, [1.0])])
    assert store.update(lambda rows: rows.ensure(layout(features=2))) == layout()
    assert times(store, ("JFK",), [1.0]) == [1.0]


def test_states_are_kept_by_name(store: OnlineStore, opened: Open, tmp_path: Path) -> None:
    def work(rows: Rows) -> None:
        for name in (b"b2", b"a", b"b1", b"c", b"b\xff"):
            rows.keep(name, b"of " + name)
        rows.forget(b"b2")
        rows.forget(b"nothing")
        assert rows.state(b"b1") == b"of b1"

    store.update(work)
    assert (store.state(b"a"), store.state(b"b2")) == (b"of a", None)
    assert store.update(lambda rows: rows.states(b"b", b"c", 9)) == [b"b1", b"b\xff"]
    assert store.update(lambda rows: rows.states(b"a", b"d", 2)) == [b"a", b"b1"]
    other = opened(tmp_path / "store", ("project", "other"))
    assert other.state(b"a") is None
    assert other.update(lambda rows: rows.states(b"", b"\xff", 9)) == []
    other.close()


def trimmed(store: OnlineStore, before: float, limit: int) -> int:
    """How many rows went, in as many transactions as it takes."""
    rows, resume, steps = 0, b"", 0
    while steps < 1000:
        done = store.trim(layout(), before, resume, limit)
        assert done.rows <= limit
        rows, resume, steps = rows + done.rows, done.resume, steps + 1
        if not resume:
            return rows
    raise AssertionError("trimming does not come to an end")


@pytest.mark.parametrize("limit", [1, 2, 3, 1000])
def test_superseded_rows_go_and_the_newest_at_the_cut_stays(store: OnlineStore, limit: int) -> None:
    keys: list[Key] = [("a",), ("b",), ("b\xff",), ("x" * 600,)]
    fill(store, [(key, float(t), [1.0]) for key in keys for t in range(5)])
    fill(store, [(("young",), 9.0, [1.0]), (("old",), -5.0, [1.0]), (("any",), TIMELESS, [1.0])])
    told: list[tuple[float, int]] = []
    found = store.superseded(layout(), b"", limit)
    while found.rows or found.resume:
        told += found.rows
        if not found.resume:
            break
        found = store.superseded(layout(), found.resume, limit)
    assert sorted(since for since, _ in told) == sorted(
        [1.0, 2.0, 3.0, 4.0, math.inf] * 4 + [math.inf] * 3
    )
    going = sum(size for since, size in told if since <= 2.5)
    before = store.trim(layout(), -9.0, b"", 1000)
    assert before == (0, 0, b"")
    assert trimmed(store, 2.5, limit) == 2 * 4
    for key in keys:
        assert times(store, key, [1.9, 2.0, 2.5, 3.0]) == [None, 2.0, 2.0, 3.0]
    assert times(store, ("young",), [9.0]) == [9.0]
    assert times(store, ("old",), [9.0]) == [-5.0]
    assert times(store, ("any",), [9.0]) == [TIMELESS]
    assert going > 8 * 10
    assert trimmed(store, 2.5, limit) == 0


def test_spans_tell_which_moments_a_row_answers(store: OnlineStore) -> None:
    rows: list[Row] = [(("a",), t, [t]) for t in (1.0, 2.0, 5.0)]
    fill(store, [*rows, (("b",), TIMELESS, [7.0])])
    questions = [
        (("a",), [0.0, 1.0, 1.5, 1.5, 4.0, 9.0]),
        (("b",), [TIMELESS, 3.0]),
        (("c",), [1.0]),
        (("a",), []),
    ]
    first, timeless, unknown, unasked = store.spans("weather", questions)
    assert sorted(first) == [(1, (1.0, [1.0])), (4, (2.0, [2.0])), (5, (5.0, [5.0]))]
    assert timeless == [(0, (TIMELESS, [7.0]))]
    assert unknown == unasked == []
    assert store.spans("nowhere", [(("a",), [1.0])]) == [[]]


MOMENTS = st.floats(allow_nan=False, width=32) | st.integers(-3, 3).map(float)
EXAMPLES = count()
KEYS = st.tuples(st.text(max_size=3) | st.integers(-2, 2).map(float), st.text("ab\0", max_size=3))


HISTORY = st.lists(st.tuples(KEYS, MOMENTS), max_size=30)
ASKED = st.lists(st.tuples(KEYS, MOMENTS), max_size=10)
STAND_INS = ["dynamodb", "v3io"]  # their servers are stand-ins in Python, and slow


@pytest.mark.parametrize("opened", sorted({*STORES} - {*STAND_INS}), indirect=True)
@given(history=HISTORY, asked=ASKED)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_store_answers_what_a_dictionary_would(
    store: OnlineStore, history: list[tuple[Key, float]], asked: list[tuple[Key, float]]
) -> None:
    compare_with_a_dictionary(store, history, asked)


@pytest.mark.parametrize("opened", STAND_INS, indirect=True)
@given(history=HISTORY, asked=ASKED)
@settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_stand_in_answers_what_a_dictionary_would(
    store: OnlineStore, history: list[tuple[Key, float]], asked: list[tuple[Key, float]]
) -> None:
    compare_with_a_dictionary(store, history, asked)


def compare_with_a_dictionary(
    store: OnlineStore, history: list[tuple[Key, float]], asked: list[tuple[Key, float]]
) -> None:
    made = layout(f"entity{next(EXAMPLES)}", keys=2)  # a fresh one for each, in one store
    rows: list[Row] = [(key, t, [float(i)]) for i, (key, t) in enumerate(history)]
    expected = {(key, t): [float(i)] for i, (key, t) in enumerate(history)}
    for row in rows:
        store.put_many(made, [row])
    store.publish(made)
    asked = asked + history
    answers = store.get_many([(made.entity, key) for key, _ in asked], [t for _, t in asked])
    for (key, moment), found in zip(asked, answers, strict=True):
        known = [t for k, t in expected if k == key and t <= moment]
        assert found == ((max(known), expected[key, max(known)]) if known else None)
    for key in {key for key, _ in asked}:
        moments = sorted(moment for other, moment in asked if other == key)
        [span] = store.spans(made.entity, [(key, moments)])
        starts: dict[int, Found] = dict(span)
        spread: list[Found | None] = []
        for place in range(len(moments)):
            spread.append(starts.get(place, spread[-1] if spread else None))
        assert spread == store.get_many([(made.entity, key)] * len(moments), moments)
