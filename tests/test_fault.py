"""Whose fault an error is, and what is read of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.errors import (
    GateFailed,
    RecordError,
    RequestError,
    SluiceError,
    StoreUnavailable,
    Unavailable,
    VersionRefused,
)
from sluice.fault import halved, raise_unless_theirs, reason_of


@pytest.mark.parametrize(
    "error",
    [StoreUnavailable("x"), Unavailable("x"), GateFailed("x", "y"), VersionRefused(*"gvfw")],
)
def test_what_no_record_can_help_is_raised(error: SluiceError) -> None:
    with pytest.raises(type(error)):
        raise_unless_theirs(error)


@pytest.mark.parametrize("error", [KeyError("x"), RequestError("x"), RecordError("n", "is less")])
def test_a_defect_and_what_a_caller_gets_wrong_may_be_a_records(error: Exception) -> None:
    raise_unless_theirs(error)


def test_a_reason_is_short_and_can_be_stored() -> None:
    assert reason_of(RecordError("n", "is less")) == "n: is less"
    assert reason_of(KeyError("n")) == "KeyError: 'n'"
    assert reason_of(ValueError("\ud800" + "x" * 9999)) == "ValueError: ?" + "x" * 1987


@given(rows=st.integers(1, 60), bad=st.sets(st.integers(0, 59)))
def test_each_row_at_fault_is_found_and_all_others_answered(rows: int, bad: set[int]) -> None:
    asked = 0

    def answer(which: slice) -> list[int]:
        nonlocal asked
        asked += 1
        if bad & set(range(which.start, which.stop)):
            raise KeyError
        return list(range(which.start, which.stop))

    found = [one for piece in halved(answer, slice(0, rows), lambda _: [-1]) for one in piece]
    assert found == [-1 if row in bad else row for row in range(rows)]
    if not bad & set(range(rows)):
        assert asked == 1
