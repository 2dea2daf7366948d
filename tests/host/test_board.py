from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st

from sluice.host.board import BEGUN, IDLE, KEPT, KEPT_BYTES, TAKEN, Board


@given(st.lists(st.tuples(st.integers(0, 2), st.binary(max_size=KEPT_BYTES // 2))))
def test_keeps_the_bytes_of_each_connection_apart(chunks: list[tuple[int, bytes]]) -> None:
    board = Board(workers=3, slots=3)
    kept = {0: b"", 1: b"", 2: b""}
    for slot, chunk in chunks:
        fits = len(kept[slot]) + len(chunk) <= KEPT_BYTES
        assert board.keep(slot, memoryview(chunk)) is fits
        if fits:
            kept[slot] += chunk
    assert {slot: board.take(slot) for slot in kept} == kept
    assert board.take(0) == b""


def test_bytes_that_are_taken_from_it_are_with_the_worker_only() -> None:
    board = Board(workers=1, slots=1)
    assert (board.take(0), board.state[0]) == (b"", IDLE)
    board.keep(0, memoryview(b"half"))
    assert (board.take(0), board.state[0]) == (b"half", TAKEN)


def test_what_a_dead_process_wrote_stays() -> None:
    board = Board(workers=2, slots=4)
    pid = os.fork()
    if pid == 0:
        board.begun[1] = 12.5
        board.keep(3, memoryview(b"half a request"))
        board.state[2] = BEGUN
        board.restarts += 2
        os._exit(0)
    os.waitpid(pid, 0)
    assert list(board.begun) == [0.0, 12.5]
    assert (board.state[2], board.state[3]) == (BEGUN, KEPT)
    assert (board.take(3), board.restarts, board.draining) == (b"half a request", 2, False)
