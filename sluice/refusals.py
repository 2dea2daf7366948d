"""Finding more than the first thing that is wrong with a declaration.

Readers raise at the first. Within `collecting` they go on where that makes sense: what one field
says badly is written down, and reading goes on as if it said nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from sluice.errors import DeclarationError

T = TypeVar("T")
S = TypeVar("S")
_collected: ContextVar[list[DeclarationError] | None] = ContextVar("collected", default=None)


@contextmanager
def collecting() -> Iterator[list[DeclarationError]]:
    """Within the block, what is wrong goes into the list; what ends the reading ends the block."""
    found: list[DeclarationError] = []
    token = _collected.set(found)
    try:
        yield found
    except DeclarationError as error:
        _keep(found, error)
    finally:
        _collected.reset(token)


def refuse(error: DeclarationError, instead: T) -> T:
    """Raise; within `collecting`, write the error down and go on with `instead`."""
    found = _collected.get()
    if found is None:
        raise error
    _keep(found, error)
    return instead


def each(read: Callable[[str, S], T], parts: Mapping[str, S]) -> dict[str, T]:
    """`read(name, part)` of each part. Raises the first error; within `collecting`, after all."""
    found = _collected.get()
    if found is None:
        return {name: read(name, part) for name, part in parts.items()}
    made: dict[str, T] = {}
    first: DeclarationError | None = None
    for name, part in parts.items():
        before = len(found)
        try:
            made[name] = read(name, part)
        except DeclarationError as error:
            _keep(found, error)
            first = first or error
        else:
            first = first or next(iter(found[before:]), None)
    if first is not None:
        raise first
    return made


def _keep(found: list[DeclarationError], error: DeclarationError) -> None:
    """Add an error, unless it only follows from one at the same place or around it."""
    for known in found:
        inside = error.where == known.where or error.where.startswith(f"{known.where}.")
        if known.file == error.file and inside:
            return
    found.append(error)
