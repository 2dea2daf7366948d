"""MLRun's feature vectors, by its online feature service: one call for many keys.

Imports mlrun; its service reads the vector's key-value tables in this process. A row in which all
values are 0, empty or null counts as none there, so it is missing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from datetime import UTC, datetime
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Any

from sluice.errors import DeclarationError, StoreUnavailable
from sluice.features.online import native, typed
from sluice.features.store import TIMELESS, Found, Key, Layout
from sluice.schema import seconds

_OPENING_S = 30.0  # for MLRun's import and the vector's graph, once
_HUNG_S = 60.0  # so long after a call was late it is given up, with its service and its thread


def open_service(vector: str) -> Any:
    """MLRun's online feature service of a vector, "project/name".

    Raises DeclarationError for a vector that there is not.
    """
    from mlrun.errors import MLRunNotFoundError
    from mlrun.feature_store import get_feature_vector

    try:
        found = get_feature_vector(vector)
    except MLRunNotFoundError:
        found = None
    if found is None:  # also where MLRun knows no server
        where, hint = "online", "MLRUN_DBPATH in the environment names the server that has it"
        problem = f"MLRun has no feature vector {vector}"
        raise DeclarationError("features.yaml", where, problem, hint)
    return found.get_online_feature_service()


class MlrunReader:
    """A feature vector of MLRun.

    A row's event time is in the column that the entity declares as its timestamp, if it declares
    one: the vector must have it among its features. Times without a zone are UTC, as MLRun's are.

    The service takes one call at a time. After an error of its storage it answers nothing any more,
    and a call that hangs may do so for good, so both are followed by a service of its own.

    Args:
        vector: "project/name".
        layout: what the entity declares.
        timeout: seconds for an answer.
        open: makes the service, when it is first asked.
        clock: seconds, monotonic: for how long a call has hung.
    """

    def __init__(
        self,
        vector: str,
        layout: Layout,
        timeout: float,
        open: Callable[[str], Any] = open_service,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._vector, self._layout, self._timeout = vector, layout, timeout
        self._open, self._clock = open, clock
        self._begin()

    def _begin(self) -> None:
        """Begin as a process does: a fork has neither the thread nor connections of its own."""
        self._pid = os.getpid()
        self._calls = _Calls(partial(self._open, self._vector))
        self._late: tuple[float, Future[Any]] | None = None

    def read(self, keys: Sequence[Key]) -> list[Found | None]:
        """See Reader."""
        if self._pid != os.getpid():
            self._begin()
        self._refuse_hung()
        asked = [native(self._layout, key) for key in keys]
        calls = self._calls
        future = self._in_time(calls, asked)
        try:
            rows = future.result()
        except DeclarationError:
            raise
        # MLRun raises whatever its storage does; there is no answer, and the text says why.
        except Exception as error:
            self._renew(calls)
            raise self._error(f"{type(error).__name__}: {error}") from error
        if len(rows) != len(keys):
            raise self._error(f"{len(rows)} rows for {len(keys)} keys")
        return [self._row(row) for row in rows]

    def _in_time(self, calls: _Calls, asked: list[dict[str, Any]]) -> Future[Any]:
        """A call that is done. Raises StoreUnavailable when it is late."""
        patience = self._timeout if calls.opened else max(self._timeout, _OPENING_S)
        future = calls.get(asked)
        if not wait([future], patience).done:
            if not future.cancel():
                self._late = self._clock(), future
            raise self._error(f"no answer within {patience:g} s")
        return future

    def _refuse_hung(self) -> None:
        """Raise StoreUnavailable while a call that was late goes on; begin anew if it hangs."""
        if self._late is None or self._late[1].done():
            self._late = None
        elif self._clock() - self._late[0] < _HUNG_S:
            raise self._error("a call that was late goes on")
        else:
            self._renew(self._calls)

    def _renew(self, failed: _Calls) -> None:
        """Begin anew, unless somebody else just did."""
        if failed is self._calls:
            failed.close()
            self._begin()

    def _error(self, problem: str) -> StoreUnavailable:
        return StoreUnavailable(f"feature vector {self._vector}: {problem}")

    def _row(self, row: dict[str, Any] | None) -> Found | None:
        if row is None:
            return None
        missing = [name for name in self._layout.columns if name not in row]
        if missing:
            where = f"entities.{self._layout.entity}.features.{missing[0]}"
            problem = f"feature vector {self._vector} has only {', '.join(map(str, row))}"
            raise DeclarationError("features.yaml", where, problem)
        values = [row[name] for name in self._layout.columns]
        return self._time(row), typed(self._layout, values, f"feature vector {self._vector}")

    def _time(self, row: dict[str, Any]) -> float:
        column = self._layout.timestamp
        found = None if column is None else row.get(column)
        if found is None:
            return TIMELESS
        moment = datetime.fromisoformat(found) if isinstance(found, str) else found
        if isinstance(moment, datetime):
            return seconds(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
        return float(moment)

    def close(self) -> None:
        """See Reader."""
        self._calls.close()


class _Calls:
    """A thread of its own for the service of a vector, which is opened by the first call.

    No pool's: the end of a process waits for those, and so for a call that hangs.
    """

    def __init__(self, open: Callable[[], Any]) -> None:
        self._open = open
        self._service: Any = None
        self._asked: SimpleQueue[tuple[Future[Any], list[dict[str, Any]]] | None] = SimpleQueue()
        self._thread: Thread | None = None

    @property
    def opened(self) -> bool:
        return self._service is not None

    def get(self, rows: list[dict[str, Any]]) -> Future[Any]:
        """The rows that the service has for these keys."""
        if self._thread is None:
            self._thread = Thread(target=self._run, name="sluice-mlrun-vector", daemon=True)
            self._thread.start()
        future: Future[Any] = Future()
        self._asked.put((future, rows))
        return future

    def close(self) -> None:
        """End once the service does nothing, waiting for none that hangs."""
        self._asked.put(None)

    def _run(self) -> None:
        while (asked := self._asked.get()) is not None:
            future, rows = asked
            if future.set_running_or_notify_cancel():
                self._answer(future, rows)
        if self._service is not None:
            self._service.close()

    def _answer(self, future: Future[Any], rows: list[dict[str, Any]]) -> None:
        try:
            if self._service is None:
                self._service = self._open()
            found = self._service.get(rows)
        except BaseException as error:  # whoever asked is told
            future.set_exception(error)
        else:
            future.set_result(found)
