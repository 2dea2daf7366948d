"""One LMDB environment per folder and process: shared, safe to fork, grown as it fills.

LMDB forbids that a process opens the same files twice, and that a child uses what its parent
opened. So environments are shared here by path, and a fork waits until no transaction is under
way; the child then opens its own at first use.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, TypeVar

import lmdb

from sluice.errors import DeclarationError, StoreUnavailable

T = TypeVar("T")
Clock = Callable[[], float]
FORMAT = 1
MAP_SIZE = 1 << 30  # addresses, not bytes on disk: the file grows with what is written
READERS = 1024
CHECK_READERS_S = 30.0
_FORMAT_KEY = b"format"


class Environment:
    """An LMDB environment that opens itself, again after a fork.

    Args:
        path: the folder; made if it is not there.
        map_size: bytes of address space to start with; doubled whenever it is full.
        clock: seconds, for the timer on which readers that died are cleared.
    """

    def __init__(self, path: Path, map_size: int = MAP_SIZE, clock: Clock = time.monotonic) -> None:
        self.path, self.map_size, self._clock = path, map_size, clock
        self.users = 0
        self._next_check = 0.0
        self._environment: Any = None
        self.renew_locks()

    def renew_locks(self) -> None:
        """Fresh locks: in a new process, nobody holds them."""
        self.reading, self.writing = threading.Lock(), threading.Lock()

    def read(self, function: Callable[..., T], *args: Any) -> T:
        """`function(transaction, *args)` in a read transaction; keep it short.

        Raises StoreUnavailable when LMDB fails.
        """
        with self.reading:
            try:
                transaction = self._begin(self._environment or self._open())
                try:
                    return function(transaction, *args)
                finally:
                    transaction.abort()
            except lmdb.Error as error:
                raise StoreUnavailable(f"feature store {self.path}: {error}") from error

    def write(self, function: Callable[..., T], *args: Any) -> T:
        """`function(transaction, *args)` in a write transaction; run again when the map was full.

        Other writers, in all processes, wait. Raises StoreUnavailable when LMDB fails.
        """
        with self.writing:
            try:
                with self.reading:
                    environment = self._environment or self._open()
                self._check_readers(environment)
                return self._write(environment, function, args)
            except lmdb.Error as error:
                raise StoreUnavailable(f"feature store {self.path}: {error}") from error

    def close(self) -> None:
        """Close the files; the next use opens them again, as long as there are users."""
        if self._environment is not None:
            self._environment.close()
            self._environment = None

    def _write(self, environment: Any, function: Callable[..., T], args: tuple[Any, ...]) -> T:
        while True:
            try:
                with self._begin(environment, True) as transaction:
                    return function(transaction, *args)
            except lmdb.MapFullError:
                with self.reading:  # nobody may read while the map moves
                    environment.set_mapsize(environment.info()["map_size"] * 2)

    def _begin(self, environment: Any, write: bool = False) -> Any:
        try:
            return environment.begin(None, None, write)  # by place: by name takes twice as long
        except lmdb.MapResizedError:  # another process wrote beyond what we mapped
            with self.reading if write else nullcontext():
                environment.set_mapsize(0)
        except lmdb.ReadersFullError:
            environment.reader_check()
        return environment.begin(write=write)

    def _check_readers(self, environment: Any) -> None:
        """Free what readers hold that died: else no page they saw is ever used again."""
        if self._clock() >= self._next_check:
            environment.reader_check()
            self._next_check = self._clock() + CHECK_READERS_S

    def _open(self) -> Any:
        if not self.users:
            raise StoreUnavailable(f"feature store {self.path}: was closed")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            environment = lmdb.open(
                str(self.path), map_size=self.map_size, max_readers=READERS, readahead=False
            )
        except OSError as error:
            raise StoreUnavailable(f"feature store {self.path}: {error}") from error
        environment.reader_check()
        self._next_check = self._clock() + CHECK_READERS_S
        try:
            self._check_format(environment)
        except BaseException:
            environment.close()
            raise
        self._environment = environment
        return environment

    def _check_format(self, environment: Any) -> None:
        with environment.begin() as transaction:
            found = transaction.get(_FORMAT_KEY)
        if found is None:
            with environment.begin(write=True) as transaction:
                transaction.put(_FORMAT_KEY, b"%d" % FORMAT, overwrite=False)
        elif int(found) > FORMAT:
            hint = f"this Sluice reads up to {FORMAT}: use a newer one, or another folder"
            raise DeclarationError(self.path, "format", f"is {int(found)}", hint)


_shared: dict[str, Environment] = {}
_sharing = threading.Lock()


def acquire(path: Path, map_size: int = MAP_SIZE, clock: Clock = time.monotonic) -> Environment:
    """This process's environment for a folder; give it back with `release`."""
    with _sharing:
        place = os.path.realpath(path)
        environment = _shared.setdefault(place, Environment(Path(place), map_size, clock))
        environment.users += 1
        return environment


def release(environment: Environment) -> None:
    """Give an environment back; the last one closes it."""
    with _sharing:
        environment.users -= 1
        if not environment.users:
            with environment.writing, environment.reading:
                environment.close()
            del _shared[str(environment.path)]


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
        environment.renew_locks()
        environment.close()
    _sharing.release()


os.register_at_fork(before=_pause, after_in_parent=_resume, after_in_child=_forget)
