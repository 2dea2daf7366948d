"""What is known of rows: the same answers as without, until something is committed."""

from __future__ import annotations

from bisect import bisect_left

from hypothesis import given
from hypothesis import strategies as st

from sluice.features.known import Known
from sluice.features.names import descending, encode
from sluice.features.store import TIMELESS, Found

NAMES = (b"ra", b"rb", b"rc")
TIMES = st.integers(-3, 3).map(float) | st.sampled_from([TIMELESS, 0.5])


class Rows:
    """A transaction and its cursor, over rows in memory; counts how often it was sought in."""

    def __init__(self) -> None:
        self.items: dict[bytes, bytes] = {}
        self.commits = self.seeks = self.at = 0

    def put(self, name: bytes, time: float) -> None:
        self.commits += 1
        self.items[name + descending(time)] = encode((time, [f"{name!r} {self.commits}"]))

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


Put = tuple[bytes, float]
Ask = list[tuple[bytes, list[float]]]
PUTS = st.tuples(st.sampled_from(NAMES), TIMES)
ASKS = st.lists(
    st.tuples(st.sampled_from(NAMES), st.lists(TIMES, max_size=5).map(sorted)),
    max_size=3, unique_by=lambda asked: asked[0],
)  # fmt: skip


def ask(known: Known, rows: Rows, asked: Ask) -> list[list[tuple[int, Found]]]:
    return known.spans(rows, [name for name, _ in asked], [moments for _, moments in asked])


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
    rows.put(b"ra", 1.0)
    rows.put(b"ra", 2.0)
    asked: Ask = [(b"ra", [0.5, 1.5, 2.5, 2.7]), (b"rb", [3.0])]
    first = ask(known, rows, asked)
    assert first == [[(2, (2.0, ["b'ra' 2"])), (1, (1.0, ["b'ra' 1"]))], []]
    assert rows.seeks == 4
    assert ask(known, rows, asked) == first
    assert ask(known, rows, [(b"ra", [0.1, 1.2, 2.1])]) == [
        [(2, (2.0, ["b'ra' 2"])), (1, (1.0, ["b'ra' 1"]))]
    ]
    assert rows.seeks == 4
    rows.put(b"ra", 2.6)
    assert ask(known, rows, [(b"ra", [2.7])]) == [[(0, (2.6, ["b'ra' 3"]))]]


def test_it_keeps_no_more_than_some() -> None:
    known, rows = Known(), Rows()
    rows.put(b"ra", 1.0)
    many = [b"n%d" % n for n in range(10_001)]
    known.spans(rows, many, [[1.0]] * len(many))
    assert known.spans(rows, [b"ra"], [[1.0]]) == [[(0, (1.0, ["b'ra' 1"]))]]
    assert len(known._keys) == 1
