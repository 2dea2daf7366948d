"""The embedded log of an older format, rewritten: a record of format 1 becomes part of a block.

The next file is written from the one that is there, name by name in their order, and says in each
transaction how far it has come and of which state of the log it is. So who was killed goes on from
there, and begins anew where somebody has written to the log meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

import lmdb
import msgspec

from sluice.environment import acquire, release
from sluice.errors import SluiceError, StoreUnavailable
from sluice.streams.block import (
    Block,
    block_at,
    blocks,
    bytes_kept,
    entry,
    first_key,
    is_old,
    oldest_time,
    place_of,
)
from sluice.streams.layout import (
    KIND,
    State,
    Topic,
    Txn,
    get_state,
    get_topic,
    has_old_states,
    put_states,
    scan,
)
from sluice.upgrade.beside import new_of, refuse_kept, swap
from sluice.upgrade.hold import held

_PROGRESS = b"u"  # no name of a log begins with it
_REMADE = b"mprsu"  # names that begin with these are not taken over as they are
_RECORDS = 1000  # in a block
_BYTES = 8 << 20
_NAMES = 512  # in a transaction

Progress = Callable[[str, int], object]  # what is done, and how many records of it are now


class _Come(msgspec.Struct, array_like=True, frozen=True):
    """How far the next file has come.

    Attributes:
        source: the last transaction of the log that it is made from.
        after: the last name of the log that is in it.
    """

    source: int
    after: bytes = b""


def lock_of(file: Path) -> Path:
    """The lock file of a log."""
    return file.with_name(f"{file.name}-lock")


def is_older(txn: Txn) -> bool:
    """Whether anything in a log is of format 1; one that was written on says that it is of 2."""
    if txn.get(KIND.key) != _mark() or has_old_states(txn):
        return True
    keys = (first_key(txn, topic, n) for topic in _topics(txn) for n in range(topic.partitions))
    return any(key is not None and is_old(key) for key in keys)


def upgrade(file: Path, progress: Progress) -> None:
    """Rewrite a log, compare it record by record with what it was, and put it in its place.

    What was there is kept beside it. May be killed at any moment, and called again.

    Raises StoreUnavailable while another process has the log open, and when LMDB fails;
    SluiceError where an older one is kept already, and where the two are not the same.
    """
    refuse_kept(file)
    with held(file, lock_of(file)):
        try:
            _rewrite(file, progress)
        except lmdb.Error as error:
            raise StoreUnavailable(f"log {file}: {error}") from error
        except SluiceError:
            new_of(file).unlink()  # the next one begins anew
            raise
        swap(file)
        # The lock file is made to fit the new one before anybody who waits for it goes on.
        release(acquire(file, KIND))


def _rewrite(file: Path, progress: Progress) -> None:
    with (
        closing(_open(file, readonly=True)) as source,
        source.begin() as txn,
        closing(_begun(file, txn.id())) as target,
    ):
        for done in _copy(txn, target):
            progress("written", done)
        with target.begin(write=True) as out:
            _put_states(txn, out)
        with target.begin() as new:
            for done in _compare(file, txn, new):
                progress("compared", done)
        with target.begin(write=True) as out:
            out.delete(_PROGRESS)
            out.put(KIND.key, _mark())


def _open(file: Path, **options: Any) -> Any:
    """Without LMDB's lock, since nobody else is there: it would give away the one that is held."""
    return lmdb.open(str(file), subdir=False, lock=False, **options)


def _begun(file: Path, source: int) -> Any:
    """The next file, as far as it has come; a new one where it is of another state of the log."""
    new, size = new_of(file), 3 * file.stat().st_size + (64 << 20)
    target = _open(new, map_size=size)
    with target.begin() as txn:
        found = txn.get(_PROGRESS)
    if found is not None and msgspec.msgpack.decode(found, type=_Come).source == source:
        return target
    target.close()
    new.unlink()
    target = _open(new, map_size=size)
    with target.begin(write=True) as txn:
        txn.put(_PROGRESS, msgspec.msgpack.encode(_Come(source)))
    return target


def _copy(txn: Txn, target: Any) -> Iterator[int]:
    """Take over what is not there yet; how many names each transaction did."""
    with target.begin() as out:
        come = msgspec.msgpack.decode(out.get(_PROGRESS), type=_Come)
    items = _items(txn, come.after)
    while batch := list(islice(items, _NAMES)):
        come = _Come(come.source, batch[-1][0])
        with target.begin(write=True) as out:
            for _, key, value in batch:
                out.put(key, value)
            out.put(_PROGRESS, msgspec.msgpack.encode(come))
        yield len(batch)


def _items(txn: Txn, after: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Names and values as they are to be, each behind the last name of the log that is in it."""
    cursor = txn.cursor()
    more = cursor.set_range(after + b"\0")
    while more:
        key, value = cursor.item()
        if key[:1] == b"r" and is_old(key):
            last, block, more = _joined(cursor)
            yield last, *entry(place_of(last), block)
            continue
        if key[0] not in _REMADE or key[:1] == b"r":
            yield key, key, value
        more = cursor.next()


def _joined(cursor: Any) -> tuple[bytes, Block, bool]:
    """The records of format 1 from a cursor on that were written to a partition at one time.

    Returns: the name of the last, the block, whether anything follows, which the cursor is at.
    """
    last, block = cursor.key(), block_at(cursor)
    size, more = len(cursor.value()), cursor.next()
    while more and _goes_on(cursor.key(), last) and len(block.rows) < _RECORDS and size < _BYTES:
        record = block_at(cursor)
        if record.timestamp != block.timestamp:
            break
        block.rows.extend(record.rows)
        last, size, more = cursor.key(), size + len(cursor.value()), cursor.next()
    return last, block, more


def _goes_on(key: bytes, last: bytes) -> bool:
    return key[:1] == b"r" and is_old(key) and place_of(key) == place_of(last)


def _put_states(txn: Txn, out: Txn) -> None:
    for topic in _topics(txn):
        old = [get_state(txn, topic, number) for number in range(topic.partitions)]
        if any(state.next for state in old):
            put_states(out, topic, [_state(out, topic, *item) for item in enumerate(old)])


def _state(out: Txn, topic: Topic, number: int, old: State) -> State:
    size, oldest = bytes_kept(out, topic, number), oldest_time(out, topic, number, old)
    return State(old.next, old.first, size, oldest)


def _compare(file: Path, old: Txn, new: Txn) -> Iterator[int]:
    """Read all of both; how many records were compared. Raises SluiceError where they differ."""
    for key, _ in scan(old, b"t"):
        topic = get_topic(old, key[1:].decode())
        assert topic is not None
        for number in range(topic.partitions):
            yield from _compare_partition(f"{file}: {key[1:].decode()}", old, new, topic, number)
    for before, after in zip_longest(_others(old), _others(new)):
        if before != after:
            raise _differ(file, f"name {before and before[0]!r}")


def _compare_partition(what: str, old: Txn, new: Txn, topic: Topic, number: int) -> Iterator[int]:
    was, now = get_state(old, topic, number), get_state(new, topic, number)
    if (was.first, was.next) != (now.first, now.next):
        raise _differ(what, f"partition {number}: where it begins and ends")
    pairs = zip_longest(_records(old, topic, number, was), _records(new, topic, number, now))
    while some := list(islice(pairs, _RECORDS)):
        for before, after in some:
            if before != after:
                raise _differ(what, f"partition {number}, offset {(before or after)[0]}")
        yield len(some)


def _records(txn: Txn, topic: Topic, number: int, state: State) -> Iterator[tuple[Any, ...]]:
    """Offset, time, value, key and headers of each record."""
    if state.first == state.next:
        return
    for block in blocks(txn, topic, number, state.first):
        for offset, row in enumerate(block.rows, block.first):
            yield offset, block.timestamp, *row


def _others(txn: Txn) -> Iterator[tuple[bytes, bytes]]:
    return ((key, value) for key, value in txn.cursor() if key[0] not in _REMADE)


def _differ(what: object, where: str) -> SluiceError:
    return SluiceError(f"{what}: {where}: not the same when rewritten; the log stays as it was")


def _topics(txn: Txn) -> list[Topic]:
    found = [get_topic(txn, key[1:].decode()) for key, _ in scan(txn, b"t")]
    return [topic for topic in found if topic is not None]


def _mark() -> bytes:
    return KIND.prefix + b"%d" % KIND.format
