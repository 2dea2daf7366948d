"""Whose fault an error is that a graph raises, and which of many records brought it to light."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sluice.errors import RequestError, SluiceError, StoreUnavailable, Unavailable

T = TypeVar("T")
PASSING = (StoreUnavailable, Unavailable)  # what trying again may mend
_LONGEST = 2000  # characters of a reason


def raise_unless_theirs(error: Exception) -> None:
    """A defect may be due to a record, as may what a caller gets wrong; other errors never are."""
    ours = isinstance(error, SluiceError) and not isinstance(error, RequestError)
    if ours or isinstance(error, PASSING):
        raise error


def reason_of(error: Exception) -> str:
    """What an operator reads of an error: a defect's type goes before its text."""
    text = str(error) if isinstance(error, SluiceError) else f"{type(error).__name__}: {error}"
    return text.encode(errors="replace").decode()[:_LONGEST]


def halved(answer: Callable[[slice], T], rows: slice, failed: Callable[[Exception], T]) -> list[T]:
    """The answers to rows, in pieces. One that raises is halved until the row at fault is alone.

    Args:
        answer: answers the rows from `start` to before `stop`.
        failed: what a row comes to that raises by itself.

    Raises what is not the rows' fault.
    """
    try:
        return [answer(rows)]
    except Exception as error:
        raise_unless_theirs(error)
        if rows.stop - rows.start <= 1:
            return [failed(error)]
    middle = (rows.start + rows.stop) // 2
    first, second = slice(rows.start, middle), slice(middle, rows.stop)
    return [*halved(answer, first, failed), *halved(answer, second, failed)]
