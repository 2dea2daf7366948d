"""The embedded ledger: one folder, for all processes of a machine (LMDB).

Names in the file, after 16 bytes that stand for the prefix (numbers in 8 bytes that sort):

    "h"                      the head: [version, last], msgpack
    "s" bucket field         a sum, as text
    "m" bucket mark          a mark: nothing
    "t" bucket               until when the marks of a bucket are kept
    "n" name                 a note: until when, then its bytes
    "u" until name           in which order notes grow too old: nothing

Marks and names are digests of 16 bytes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from sluice.environment import Clock, Kind, acquire, release
from sluice.routing.ledger import FORMAT, Credit, Head, Prefix

KIND = Kind("ledger", b"format", b"", format=FORMAT, folder=True, map_size=1 << 30)
_AT_ONCE = 10_000  # names that one transaction forgets
_BUCKET = slice(17, 25)
_UNTIL = slice(17, 25)


class LmdbLedger:
    """A ledger in a folder; see Ledger."""

    most = 5000

    def __init__(self, path: Path, prefix: Prefix, clock: Clock = time.monotonic) -> None:
        self._begin = _digest("\0".join(prefix))
        self._closed = False
        self._environment = acquire(path, KIND, clock)

    def __str__(self) -> str:
        return str(self._environment)

    def head(self, now: float) -> Head:
        """See Ledger."""
        found = self._environment.read(_head, self._begin)
        return found or self._environment.write(_begun, self._begin, now)

    def sums(self) -> dict[int, dict[str, int]]:
        """See Ledger."""
        return self._environment.read(_sums, self._begin + b"s")

    def credit(self, credit: Credit, keep_s: float, now: float) -> Sequence[str]:
        """See Ledger."""
        marks = {self._name(b"m", credit.bucket) + _digest(mark): mark for mark in credit.marks}
        until = _packed(now + keep_s)
        return self._environment.write(_credit, self._begin, credit, marks, (until, now))

    def keep(self, notes: Mapping[str, bytes], keep_s: float, now: float) -> None:
        """See Ledger."""
        until = _packed(now + keep_s)
        digests = {_digest(name): note for name, note in notes.items()}
        self._environment.write(_keep, self._begin, digests, until)

    def notes(self, names: Sequence[str]) -> list[bytes | None]:
        """See Ledger."""
        return self._environment.read(_notes, [self._begin + b"n" + _digest(n) for n in names])

    def forget(self, before: int, now: float) -> None:
        """See Ledger."""
        for work in (_old_notes, _old_marks, _old_sums):
            while self._environment.write(_delete, work, self._begin, (before, _packed(now))):
                pass

    def close(self) -> None:
        """See Ledger."""
        if not self._closed:
            self._closed = True
            release(self._environment)

    def _name(self, kind: bytes, number: int) -> bytes:
        return self._begin + kind + _sorting(number)


def _digest(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=16).digest()


def _sorting(number: int) -> bytes:
    return (number + (1 << 63)).to_bytes(8)


def _packed(moment: float) -> bytes:
    """A moment in milliseconds, rounded up."""
    return _sorting(math.ceil(moment * 1000))


def _head(transaction: Any, begin: bytes) -> Head | None:
    found = transaction.get(begin + b"h")
    return None if found is None else Head(*msgspec.msgpack.decode(found))


def _begun(transaction: Any, begin: bytes, now: float) -> Head:
    transaction.put(begin + b"h", msgspec.msgpack.encode([0, now]), overwrite=False)
    return _head(transaction, begin) or Head(0, now)


def _sums(transaction: Any, begin: bytes) -> dict[int, dict[str, int]]:
    found: dict[int, dict[str, int]] = {}
    for name, value in _items(transaction, begin):
        bucket = int.from_bytes(name[_BUCKET]) - (1 << 63)
        found.setdefault(bucket, {})[name[_BUCKET.stop :].decode()] = int(value)
    return found


def _credit(
    transaction: Any,
    begin: bytes,
    credit: Credit,
    marks: Mapping[bytes, str],
    times: tuple[bytes, float],
) -> list[str]:
    known = [mark for name, mark in marks.items() if transaction.get(name) is not None]
    if known:
        return known
    until, now = times
    for name in marks:
        transaction.put(name, b"")
    bucket = _sorting(credit.bucket)
    transaction.put(begin + b"t" + bucket, until)
    for field, amount in credit.sums.items():
        name = begin + b"s" + bucket + field.encode()
        transaction.put(name, b"%d" % (int(transaction.get(name, b"0")) + amount))
    head = _head(transaction, begin) or Head(0, now)
    last = max(head.last, now)
    transaction.put(begin + b"h", msgspec.msgpack.encode([head.version + 1, last]))
    return []


def _keep(transaction: Any, begin: bytes, notes: Mapping[bytes, bytes], until: bytes) -> None:
    for digest, note in notes.items():
        name = begin + b"n" + digest
        before = transaction.get(name)
        if before is not None:
            transaction.delete(begin + b"u" + before[:8] + digest)
        transaction.put(name, until + note)
        transaction.put(begin + b"u" + until + digest, b"")


def _notes(transaction: Any, names: list[bytes]) -> list[bytes | None]:
    found = [transaction.get(name) for name in names]
    return [None if note is None else note[8:] for note in found]


def _items(transaction: Any, begin: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Names that begin so, in their order, and their values."""
    cursor = transaction.cursor()
    more = cursor.set_range(begin)
    while more and cursor.key().startswith(begin):
        yield cursor.item()
        more = cursor.next()


Old = Callable[[Any, bytes, tuple[int, bytes]], Iterator[bytes]]


def _delete(transaction: Any, old: Old, begin: bytes, limits: tuple[int, bytes]) -> bool:
    """Delete some of what is old; whether there may be more."""
    names = list(islice(old(transaction, begin, limits), _AT_ONCE))
    for name in names:
        transaction.delete(name)
    return len(names) == _AT_ONCE


def _old_notes(transaction: Any, begin: bytes, limits: tuple[int, bytes]) -> Iterator[bytes]:
    for name, _ in _items(transaction, begin + b"u"):
        if name[_UNTIL] > limits[1]:
            return
        yield begin + b"n" + name[_UNTIL.stop :]
        yield name


def _old_marks(transaction: Any, begin: bytes, limits: tuple[int, bytes]) -> Iterator[bytes]:
    for name, until in _items(transaction, begin + b"t"):
        if until <= limits[1]:
            yield from (mark for mark, _ in _items(transaction, begin + b"m" + name[_BUCKET]))
            yield name


def _old_sums(transaction: Any, begin: bytes, limits: tuple[int, bytes]) -> Iterator[bytes]:
    end = begin + b"s" + _sorting(limits[0])
    for name, _ in _items(transaction, begin + b"s"):
        if name >= end:
            return
        yield name
