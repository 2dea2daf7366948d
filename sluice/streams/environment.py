"""One LMDB file, shared by all of a process that uses it, through forks and growth.

LMDB allows a file to be open once per process, no use of it across a fork, and a change of its
map's size only while no transaction of the process runs. So there is one Environment per file
and process, one lock around its transactions, and hooks around a fork.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import lmdb

from sluice.errors import SluiceError, StoreUnavailable
from sluice.streams.stream import Clock

T = TypeVar("T")
Txn = Any  # an lmdb.Transaction

KIND, FORMAT = b"sluice.log", 1
_FIRST_MAP = 16 << 20
_READER_CHECK_S = 30.0
_ATTEMPTS = 40  # each doubles the map, or adopts its new size


class Environment:
    """The file at `path`. Get one from `open_environment`; `read` and `write` are transactions.

    The work that they run may run more than once: it must change nothing but the transaction.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path, self._clock = path, clock
        self.users = 0
        self._lock = threading.Lock()
        self._env: Any = None
        self._check_at = 0.0

    def read(self, work: Callable[[Txn], T]) -> T:
        """The result of `work` on a snapshot. Raises StoreUnavailable."""
        with self._lock:
            return self._attempt(work, write=False)

    def write(self, work: Callable[[Txn], T], *, durable: bool = False) -> T:
        """The result of `work`, committed as a whole, and if `durable` against a power cut too.

        Without `durable`, a power cut may undo the last commits but never tears the file; the
        end of a process undoes nothing in either case. Raises StoreUnavailable.
        """
        with self._lock:
            result = self._attempt(work, write=True)
            if durable:
                self._sync()
            return result

    def _sync(self) -> None:
        try:
            self._env.sync(True)
        except lmdb.Error as error:
            raise StoreUnavailable(f"{self.path}: {error}") from error

    def _attempt(self, work: Callable[[Txn], T], *, write: bool) -> T:
        for _ in range(_ATTEMPTS):
            env = self._ready()
            try:
                with env.begin(write=write) as txn:
                    return work(txn)
            except lmdb.MapFullError:
                env.set_mapsize(2 * env.info()["map_size"])
            except lmdb.MapResizedError:  # another process has grown it
                env.set_mapsize(0)
            except lmdb.ReadersFullError:
                env.reader_check()
            except lmdb.Error as error:
                raise StoreUnavailable(f"{self.path}: {error}") from error
        raise StoreUnavailable(f"{self.path}: no room for the transaction, or for a reader")

    def _ready(self) -> Any:
        if self._env is None:
            self._env = self._open()
        if self._clock.monotonic() >= self._check_at:
            # A process killed while reading leaves its slot, and pages are kept for it for ever.
            self._env.reader_check()
            self._check_at = self._clock.monotonic() + _READER_CHECK_S
        return self._env

    def _open(self) -> Any:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            # metasync off: the pages are synced, the root is by Environment.write if asked.
            env = lmdb.open(
                str(self.path), subdir=False, map_size=_FIRST_MAP, metasync=False,
                readahead=False, max_readers=512,
            )  # fmt: skip
        except (lmdb.InvalidError, lmdb.VersionMismatchError) as error:
            raise SluiceError(f"{self.path} is not a log: {error}") from error
        except lmdb.Error as error:
            raise StoreUnavailable(f"{self.path}: {error}") from error
        return env

    def check(self) -> None:
        """Mark a new file; refuse one that is no log, or of a newer format. Raises SluiceError."""
        found = self.read(_marks)
        if found is None:
            found = self.write(_mark)
        if not found.startswith(KIND + b" "):
            raise SluiceError(f"{self.path} is not a log: it holds something else")
        version = int(found.split(b" ")[1])
        if version > FORMAT:
            text = f"{self.path}: log format {version}; this version of Sluice reads up to {FORMAT}"
            raise SluiceError(text)

    def close(self) -> None:
        """Let go of the file, once all users have."""
        with _guard:
            self.users -= 1
            if self.users == 0:
                _opened.pop(str(self.path), None)
                self._shut()

    def _shut(self) -> None:
        with self._lock:
            if self._env is not None:
                self._env.close()
            self._env = None

    def before_fork(self) -> None:
        """Let no transaction run while the process forks."""
        self._lock.acquire()

    def after_fork_in_parent(self) -> None:
        self._lock.release()

    def after_fork_in_child(self) -> None:
        """The child opens the file for itself, when it first needs it."""
        self._lock = threading.Lock()
        self._shut()


def _marks(txn: Txn) -> bytes | None:
    """What the file says it is; None when it is empty."""
    mark = txn.get(b"m")
    return mark if mark is not None else (b"" if txn.stat()["entries"] else None)


def _mark(txn: Txn) -> bytes:
    found = _marks(txn)
    if found is None:
        found = b"%s %d" % (KIND, FORMAT)
        txn.put(b"m", found)
    return found


_opened: dict[str, Environment] = {}
_guard = threading.Lock()


def open_environment(path: Path, clock: Clock) -> Environment:
    """The environment of a file; each call wants one `close`. Raises SluiceError."""
    path = Path(os.path.realpath(path))
    with _guard:
        env = _opened.setdefault(str(path), Environment(path, clock))
        env.users += 1
    try:
        env.check()
    except BaseException:
        env.close()
        raise
    return env


def _before_fork() -> None:
    _guard.acquire()
    for env in _opened.values():
        env.before_fork()


def _after_fork_in_parent() -> None:
    for env in _opened.values():
        env.after_fork_in_parent()
    _guard.release()


def _after_fork_in_child() -> None:
    for env in _opened.values():
        env.after_fork_in_child()
    _guard.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
