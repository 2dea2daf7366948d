"""LMDB environments: one per path and process, shared, safe to fork, grown as they fill.

LMDB forbids that a process opens the same files twice, that a child uses what its parent opened,
and that the map of a file moves while a transaction of the process runs. So environments are
shared here by path, a fork waits until no transaction is under way and the child opens its own at
first use, and whoever moves the map holds both locks.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import lmdb

from sluice.errors import DeclarationError, SluiceError, StoreUnavailable

T = TypeVar("T")
Clock = Callable[[], float]
CHECK_READERS_S = 30.0
_READERS = 1024
_ATTEMPTS = 40  # each doubles the map, adopts its new size or clears readers
_MENDABLE = (lmdb.MapFullError, lmdb.MapResizedError, lmdb.ReadersFullError)


def wipe(transaction: Any, key: bytes) -> None:
    """Delete a value, whose bytes are zeros from then on: LMDB leaves them in the page."""
    transaction.put(key, bytes(len(transaction.get(key))))
    transaction.delete(key)


class Kind(NamedTuple):
    """What lies in an environment, and how it says so: `key` has the value `prefix` format."""

    name: str
    key: bytes
    prefix: bytes
    format: int
    folder: bool  # else a single file, and its lock beside it
    map_size: int  # to start with: bytes of addresses; the file grows with what is written


class Environment:
    """An LMDB environment that opens itself, again after a fork; get one from `acquire`."""

    def __init__(self, path: Path, kind: Kind, clock: Clock) -> None:
        self.path, self.kind, self._clock = path, kind, clock
        self.users = 0
        self._next_check = 0.0
        self._environment: Any = None
        self.reading, self.writing = threading.Lock(), threading.Lock()  # `writing` first

    def __str__(self) -> str:
        return f"{self.kind.name} {self.path}"

    def read(self, function: Callable[..., T], *args: Any) -> T:
        """`function(transaction, *args)` in a read transaction; keep it short.

        Raises StoreUnavailable when LMDB fails, and what `acquire` raises.
        """
        failures = 0
        while True:
            try:
                with self.reading:
                    # By place: by name takes twice as long.
                    transaction = (self._environment or self._open()).begin(None, None, False)
                    try:
                        return function(transaction, *args)
                    finally:
                        transaction.abort()
            except lmdb.Error as error:
                failures += 1
                self._mend(error, failures)

    def last_commit(self) -> int:
        """The number of the last write transaction: by `read`, without its calls, for it is asked
        for often. Raises as `read` does."""
        try:
            with self.reading:
                transaction = (self._environment or self._open()).begin(None, None, False)
                number: int = transaction.id()
                transaction.abort()
                return number
        except lmdb.Error:
            return self.read(_id)

    def write(self, function: Callable[..., T], *args: Any, durable: bool = True) -> T:
        """`function(transaction, *args)` in a write transaction; other writers wait, readers don't.

        It may run more than once, so it must change nothing but the transaction. Without
        `durable`, a power cut may undo the last commits but never tears the file; the end of a
        process undoes nothing in either case. Raises as `read` does.
        """
        failures = 0
        while True:
            try:
                with self.writing:
                    with self.reading:
                        environment = self._environment or self._open()
                    if self._clock() >= self._next_check:
                        # No page that a dead reader saw is used again before it is cleared.
                        environment.reader_check()
                        self._next_check = self._clock() + CHECK_READERS_S
                    with environment.begin(write=True) as transaction:
                        result = function(transaction, *args)
                    if durable:
                        environment.sync(True)
                    return result
            except lmdb.Error as error:
                failures += 1
                self._mend(error, failures)

    def close(self) -> None:
        """Close the files; the next use opens them again, as long as there are users."""
        if self._environment is not None:
            self._environment.close()
            self._environment = None

    def _mend(self, error: lmdb.Error, failures: int) -> None:
        """Take away why a transaction failed, so that it can be tried again, or raise."""
        if not isinstance(error, _MENDABLE) or failures == _ATTEMPTS:
            raise StoreUnavailable(f"{self}: {error}") from error
        with self.writing, self.reading:
            environment = self._environment
            if environment is None:
                return  # it failed as it was opened: another may have grown it just then
            try:
                if isinstance(error, lmdb.MapFullError):
                    environment.set_mapsize(2 * environment.info()["map_size"])
                elif isinstance(error, lmdb.MapResizedError):  # another process has grown it
                    environment.set_mapsize(0)
                else:
                    environment.reader_check()
            except lmdb.Error as worse:
                self.close()  # it may be without a map now
                if not isinstance(worse, _MENDABLE):
                    raise StoreUnavailable(f"{self}: {worse}") from worse

    def _open(self) -> Any:
        if not self.users:
            raise StoreUnavailable(f"{self}: was closed")
        try:
            (self.path if self.kind.folder else self.path.parent).mkdir(parents=True, exist_ok=True)
            # metasync off: a commit syncs its pages, and `write` their root if it is asked to.
            environment = lmdb.open(
                str(self.path), subdir=self.kind.folder, map_size=self.kind.map_size,
                max_readers=_READERS, metasync=False, readahead=False,
            )  # fmt: skip
        except OSError as error:
            raise StoreUnavailable(f"{self}: {error}") from error
        try:
            environment.reader_check()
            self._check_format(environment)
        except BaseException:
            environment.close()
            raise
        self._environment = environment
        return environment

    def _check_format(self, environment: Any) -> None:
        name, key, prefix, newest = self.kind[:4]
        with environment.begin() as transaction:
            mark, empty = transaction.get(key, b""), not transaction.stat()["entries"]
        if empty:
            with environment.begin(write=True) as transaction:
                transaction.put(key, b"%b%d" % (prefix, newest), overwrite=False)
                mark = transaction.get(key)
        version = mark.removeprefix(prefix)
        if not mark.startswith(prefix) or not version.isdigit():
            raise SluiceError(f"{self.path} is not a {name}: it holds something else")
        if int(version) > newest:
            hint = f"this Sluice reads up to {newest}: use a newer one, or another place"
            raise DeclarationError(self, "format", f"is {int(version)}", hint)


def _id(transaction: Any) -> int:
    number: int = transaction.id()
    return number


_shared: dict[tuple[str, str], Environment] = {}
_sharing = threading.Lock()


def acquire(path: Path, kind: Kind, clock: Clock = time.monotonic) -> Environment:
    """This process's environment at a path; give it back with `release`.

    The folder or file is made if it is not there. `clock`, in seconds, is for the timer on which
    readers that died are cleared.

    Raises DeclarationError for a newer format, SluiceError for files of something else,
    StoreUnavailable when LMDB fails.
    """
    place = os.path.realpath(path)
    with _sharing:
        new = Environment(Path(place), kind, clock)
        environment = _shared.setdefault((kind.name, place), new)
        environment.users += 1
    try:
        environment.read(lambda _: None)
    except BaseException:
        release(environment)
        raise
    return environment


def release(environment: Environment) -> None:
    """Give an environment back, once for each `acquire`; the last one closes it."""
    with _sharing:
        environment.users -= 1
        if not environment.users:
            with environment.writing, environment.reading:
                environment.close()
            del _shared[environment.kind.name, str(environment.path)]


def _pause() -> None:
    _sharing.acquire()
    for environment in _shared.values():
        environment.writing.acquire()
        environment.reading.acquire()


def _resume() -> None:
    for environment in _shared.values():
        environment.reading.release()
        environment.writing.release()
    _sharing.release()


def _forget() -> None:
    for environment in _shared.values():
        environment.reading, environment.writing = threading.Lock(), threading.Lock()
        environment.close()
    _sharing.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_pause, after_in_parent=_resume, after_in_child=_forget)
