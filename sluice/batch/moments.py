"""The moments that the rows of a table are looked up as of."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from sluice.batch.block import Arrays
from sluice.coded import Array
from sluice.fields import Fields

AsOf = Callable[[Mapping[str, Any]], Any]
_PROBES = 16
log = logging.getLogger("sluice")


class Moments:
    """A graph's as-of function over columns.

    Such a function is written for the fields of one record; written with operators it takes
    columns too. Whether it does is not taken on trust: where it raises, or says of any of some
    rows (those where a field has no value are among them) another moment than for the record
    alone, it is asked record by record, and the log says so once.
    """

    def __init__(self, as_of: AsOf) -> None:
        self._as_of = as_of
        self._takes_columns = True

    def __call__(self, columns: Mapping[str, Any], m: int) -> Array:
        """Seconds since the Unix epoch [m] for the typed columns of m rows."""
        if self._takes_columns and m:
            try:
                with np.errstate(all="ignore"):  # as Python's floats, which do not warn
                    given = np.asarray(self._as_of(Arrays(columns)), np.float64)
                    moments = np.full(m, given) if given.ndim == 0 else given
            except Exception as error:  # it is asked again below, where what it raises counts
                return self._one_by_one(columns, m, repr(error))
            rows = _probes(columns, m)
            alone = self._rows({n: c[rows] for n, c in columns.items()})
            if moments.shape == (m,) and np.array_equal(moments[rows], alone, equal_nan=True):
                return moments
            return self._one_by_one(columns, m, "it answers otherwise than for one record")
        return self._rows(columns)

    def _one_by_one(self, columns: Mapping[str, Any], m: int, why: str) -> Array:
        moments = self._rows(columns)
        if m > 1:  # of one row an array may be true or false, of many not
            name = getattr(self._as_of, "__qualname__", repr(self._as_of))
            log.warning("as_of function %s takes no columns, so it is slow: %s", name, why)
            self._takes_columns = False
        return moments

    def _rows(self, columns: Mapping[str, Any]) -> Array:
        places = {name: place for place, name in enumerate(columns)}
        rows = zip(*(column.tolist() for column in columns.values()), strict=True)
        return np.array([self._as_of(Fields(places, row)) for row in rows], np.float64)


def _probes(columns: Mapping[str, Any], m: int) -> Array:
    """Some rows from all over the table, and the first where each field has no value."""
    rows = set(np.linspace(0, m - 1, min(m, _PROBES)).astype(int).tolist())
    for column in columns.values():
        null = getattr(column, "null", None)
        nothing = np.isnan(column) if null is None else null
        if nothing.any():
            rows.add(int(nothing.argmax()))
    return np.array(sorted(rows))
