"""What is known of rows: the same answers as without, until something is committed."""

from __future__ import annotations

from bisect import bisect_left

from hypothesis import given
from hypothesis import strategies as st

from sluice.features.known import Known
from sluice.features.names import descending, encode, key_of
from sluice.features.store import TIMELESS, Found, Key

KEYS = (("a",), ("b",), (1.0,))
TIMES = st.integers(-3, 3).map(float) | st.sampled_from([TIMELESS, 0.5])


class Rows:
    """A transaction and its cursor, over rows in memory; counts how often it was sought in."""

    def __init__(self) -> None:
        self.items: dict[bytes, bytes] = {}
        self.commits = self.seeks = self.at = 0

    def put(self, key: Key, time: float) -> None:
        self.commits += 1
        self.items[key_of(b"r", key) + descending(time)] = encode((time, [f"{self.commits}"]))

    def id(self) -> int:
        return self.commits

    def cursor(self) -> Rows:
        return self

    def set_range(self, name: bytes) -> bool:
        self.seeks += 1
        self.at = bisect_left(sorted(self.items), name)
        return self.at < len(self.items)

    def item(self) -> tuple[bytes, bytes]:
        return sorted(self.items.items())[self.at]


Put = tuple[Key, float]
Ask = list[tuple[Key, list[float]]]
PUTS = st.tuples(st.sampled_from(KEYS), TIMES)
ASKS = st.lists(
    st.tuples(st.sampled_from(KEYS), st.lists(TIMES, max_size=5).map(sorted)),
    max_size=3, unique_by=lambda asked: asked[0],
)  # fmt: skip


def ask(known: Known, rows: Rows, asked: Ask) -> list[list[tuple[int, Found]]]:
    return known.spans(rows, b"r", asked)


@given(st.lists(PUTS | ASKS, max_size=30))
def test_answers_are_those_of_who_knows_nothing(work: list[Put | Ask]) -> None:
    known, rows = Known(), Rows()
    for todo in work:
        if isinstance(todo, tuple):
            rows.put(*todo)
        else:
            assert ask(known, rows, todo) == ask(Known(), rows, todo)


def test_nothing_is_sought_twice_before_the_next_commit() -> None:
    known, rows = Known(), Rows()
    rows.put(("a",), 1.0)
    rows.put(("a",), 2.0)
    asked: Ask = [(("a",), [0.5, 1.5, 2.5, 2.7]), (("b",), [3.0])]
    first = ask(known, rows, asked)
    assert first == [[(2, (2.0, ["2"])), (1, (1.0, ["1"]))], []]
    assert rows.seeks == 4
    assert ask(known, rows, asked) == first
    assert ask(known, rows, [(("a",), [0.1, 1.2, 2.1])]) == [[(2, (2.0, ["2"])), (1, (1.0, ["1"]))]]
    assert rows.seeks == 4
    rows.put(("a",), 2.6)
    assert ask(known, rows, [(("a",), [2.7])]) == [[(0, (2.6, ["3"]))]]


def test_it_keeps_no_more_than_some() -> None:
    known, rows = Known(), Rows()
    rows.put(("a",), 1.0)
    ask(known, rows, [((f"n{n}",), [1.0]) for n in range(10_001)])
    assert ask(known, rows, [(("a",), [1.0])]) == [[(0, (1.0, ["1"]))]]
    assert known._count == 1
