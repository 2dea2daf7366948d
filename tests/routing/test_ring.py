"""The ring: a queue of frames of bounded size, whose counts hold whatever dies."""

from __future__ import annotations

import os
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.routing.ring import Ring

SIZE = 256
PUTS = st.tuples(st.just("put"), st.integers(0, 120), st.integers(0, 9))
TAKES = st.tuples(st.just("take"), st.integers(1, 20), st.just(0))


@given(st.lists(PUTS | TAKES, max_size=60))
def test_it_is_a_queue(steps: list[tuple[str, int, int]]) -> None:
    ring, queue = Ring.make(SIZE), deque[tuple[bytes, int]]()
    for number, (what, n, rows) in enumerate(steps):
        if what == "put":
            frame = bytes([number]) * n
            fits = sum(8 + len(f) for f, _ in queue) + 8 + n <= SIZE
            assert ring.put(frame, rows) == fits
            queue.extend([(frame, rows)] * fits)
        else:
            taken, held = ring.take(n), 0
            while queue and held < n:
                frame, more = queue.popleft()
                assert taken.pop(0) == frame
                held += more
            assert taken == []
        assert ring.waiting == sum(r for _, r in queue)
    ring.release()


def test_both_see_the_same() -> None:
    here = Ring.make(SIZE)
    there = Ring(os.dup(here.file))
    assert here.put(b"one", 1)
    assert not there.closed
    here.close()
    assert (there.take(9), there.closed, here.in_hand) == ([b"one"], True, 1)
    there.begin()
    there.count(1)
    assert (here.began, here.compared, here.in_hand, here.waiting) == (True, 1, 0, 0)
    for ring in (here, there):
        ring.release()
        ring.release()


def test_what_a_dead_one_had_in_hand_is_lost_and_no_more() -> None:
    ring = Ring.make(SIZE)
    for rows in (2, 3, 4):
        assert ring.put(b"frame", rows)
    assert ring.take(2) == [b"frame"]
    ring.lose()
    assert (ring.lost, ring.in_hand, ring.waiting) == (2, 0, 7)
    assert ring.take(99) == [b"frame", b"frame"]
    ring.count(6, 1)
    ring.lose()
    assert (ring.compared, ring.failed, ring.lost, ring.in_hand) == (6, 1, 2, 0)
    ring.release()


def test_another_format_is_refused() -> None:
    ring = Ring.make(SIZE)
    os.pwrite(ring.file, b"\x02", 0)
    with pytest.raises(ValueError, match="format 2, expected 1"):
        Ring(ring.file)
    ring.release()
