"""What LMDB has let go of, overwritten: it deletes nothing, neither a page nor a part of one."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from sluice.environment import Environment

_FILL, _GROWTHS, _AT_ONCE = 256, 3, 1000  # values a commit, commits that grow the file, pages
_FILLER = b"~"  # no other name begins with it
# A page begins with its number, two bytes of nothing, its flags, and between which bytes it has
# room. Branches and leaves have such room; the bytes of what was there stay in it.
_HEADER = struct.Struct("=QHHHH")
_BRANCH_OR_LEAF = 0x03


def scrub(env: Environment, texts: Sequence[bytes] = ()) -> Iterator[int]:
    """Overwrite what is free in a file; yields bytes written so far.

    Zeros are put into its free pages, until it grows because there are no more, and are taken out
    again. What a reader still sees stays free for a while, so it may grow some times. Then the
    room within pages is filled with zeros, under the lock of who writes.

    Args:
        env: the file.
        texts: only pages that have one of these are filled; none: all are.
    """
    file = env.path / "data.mdb" if env.kind.folder else env.path
    page = env.read(_page_size)
    _clear(env)
    written = grown = 0
    while grown < _GROWTHS:
        before = file.stat().st_size
        env.write(partial(_fill, written, page))
        written += _FILL * page
        grown += file.stat().st_size > before
        yield written
    _clear(env)
    places = list(_places(file, page, texts))
    for first in range(0, len(places), _AT_ONCE):
        some = places[first : first + _AT_ONCE]
        env.write(lambda _, some=some: _zero(file, page, some))
        written += len(some) * page
        yield written


def _page_size(txn: Any) -> int:
    return int(txn.stat()["psize"])


def _fill(number: int, page: int, txn: Any) -> None:
    for place in range(_FILL):
        txn.put(_FILLER + struct.pack(">QH", number, place), bytes(page - _HEADER.size))


def _clear(env: Environment) -> None:
    while env.write(_clear_some):
        pass


def _clear_some(txn: Any) -> int:
    names = list(islice(_fillers(txn), 4 * _FILL))
    for name in names:
        txn.delete(name)
    return len(names)


def _fillers(txn: Any) -> Iterator[bytes]:
    cursor = txn.cursor()
    more = cursor.set_range(_FILLER)
    while more and cursor.key().startswith(_FILLER):
        yield cursor.key()
        more = cursor.next()


def _places(file: Path, page: int, texts: Sequence[bytes]) -> Iterator[int]:
    """The numbers of pages whose room is to be filled."""
    with file.open("rb") as opened:
        for number, data in enumerate(iter(partial(opened.read, page), b"")):
            low, high = _room(number, data)
            room = data[low:high]
            if room.strip(b"\0") and (not texts or any(text in data for text in texts)):
                yield number


def _room(number: int, data: bytes) -> tuple[int, int]:
    """Between which bytes a page has room; a page that is none of the tree has none."""
    if len(data) < _HEADER.size:
        return 0, 0
    own, _, flags, low, high = _HEADER.unpack_from(data)
    tree = own == number and flags & _BRANCH_OR_LEAF and not flags & ~0x13
    return (low, high) if tree and _HEADER.size <= low <= high <= len(data) else (0, 0)


def _zero(file: Path, page: int, places: Sequence[int]) -> None:
    """Fill the room of pages, as they are now; nobody writes while this runs."""
    handle = os.open(file, os.O_RDWR)
    try:
        for number in places:
            low, high = _room(number, os.pread(handle, page, number * page))
            os.pwrite(handle, bytes(high - low), number * page + low)
        os.fsync(handle)
    finally:
        os.close(handle)
