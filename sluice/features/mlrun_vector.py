"""MLRun's feature vectors, by its online feature service: one call for many keys.

Imports mlrun; its service reads the vector's key-value tables in this process. A row in which all
values are 0, empty or null counts as none there, so it is missing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from sluice.errors import DeclarationError, StoreUnavailable
from sluice.features.online import native, typed
from sluice.features.store import TIMELESS, Found, Key, Layout
from sluice.schema import seconds

_OPENING = 30.0  # seconds for MLRun's import and the vector's graph, once


def open_service(vector: str) -> Any:
    """MLRun's online feature service of a vector, "project/name"."""
    from mlrun.feature_store import get_feature_vector

    return get_feature_vector(vector).get_online_feature_service()


class MlrunReader:
    """A feature vector of MLRun.

    A row's event time is in the column that the entity declares as its timestamp, if it declares
    one: the vector must have it among its features. Times without a zone are UTC, as MLRun's are.

    Args:
        vector: "project/name".
        layout: what the entity declares.
        timeout: seconds for an answer.
        open: makes the service, when it is first asked.
    """

    def __init__(
        self,
        vector: str,
        layout: Layout,
        timeout: float,
        open: Callable[[str], Any] = open_service,
    ) -> None:
        self._vector, self._layout, self._timeout, self._open = vector, layout, timeout, open
        self._begin()

    def _begin(self) -> None:
        """Begin as a process does: a fork has neither the thread nor connections of its own."""
        self._pid = os.getpid()
        # The service takes one call at a time; one that hangs keeps the next ones waiting.
        self._pool = ThreadPoolExecutor(1, "sluice-mlrun-vector")
        vars(self).pop("_service", None)

    @cached_property
    def _service(self) -> Any:
        return self._open(self._vector)

    def read(self, keys: Sequence[Key]) -> list[Found | None]:
        """See Reader."""
        if self._pid != os.getpid():
            self._begin()
        asked = [native(self._layout, key) for key in keys]
        future = self._pool.submit(lambda: self._service.get(asked))
        try:
            rows = future.result(max(self._timeout, _OPENING * ("_service" not in vars(self))))
        except Late:
            future.cancel()
            text = f"feature vector {self._vector}: no answer within {self._timeout:g} s"
            raise StoreUnavailable(text) from None
        # MLRun raises whatever its storage does; there is no answer, and the text says why.
        except Exception as error:
            text = f"feature vector {self._vector}: {type(error).__name__}: {error}"
            raise StoreUnavailable(text) from error
        if len(rows) != len(keys):
            problem = f"{len(rows)} rows for {len(keys)} keys"
            raise StoreUnavailable(f"feature vector {self._vector}: {problem}")
        return [self._row(row) for row in rows]

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
        self._pool.shutdown(wait=False, cancel_futures=True)
        if "_service" in vars(self):
            self._service.close()
