"""Enriching a table: check its records, and look their features up as of their times."""

from __future__ import annotations

import numpy as np

from sluice.batch.block import Block
from sluice.batch.moments import Moments
from sluice.batch.typed import read_rows
from sluice.features.definitions import Definitions
from sluice.features.store import OnlineStore
from sluice.features.table import TableLookup
from sluice.live import Live


class Enriching:
    """What the enrich step does, by column; the look-up is made once per set of live versions."""

    def __init__(self, definitions: Definitions, store: OnlineStore) -> None:
        self._definitions, self._store = definitions, store
        self._moments = None if definitions.as_of is None else Moments(definitions.as_of)
        self._made: tuple[Live | None, TableLookup | None] = (None, None)

    def __call__(self, block: Block, live: Live) -> None:
        """Fill a block up to `ages`. Raises StoreUnavailable."""
        block.live = live
        rows = read_rows(block.frame, self._definitions.record)
        block.lap("schema")
        block.places, block.columns, block.why = rows.places, rows.columns, rows.why
        block.errors.update(rows.errors)
        if self._moments is None:
            block.as_of = np.asarray(block.when[rows.places], np.float64)
        else:
            block.as_of = self._moments(rows.columns, len(rows.places))
        if self._definitions.undated:
            asked = np.asarray(block.when[rows.places], np.float64)
            block.as_of = np.where(np.isnan(block.as_of), asked, block.as_of)
        block.lap("as of")
        found = self._lookup(live).columns(rows.columns, block.as_of)
        block.columns |= {name: found.values[name] for name in live.lookup.names}
        block.why |= found.why
        block.ages = found.ages

    def _lookup(self, live: Live) -> TableLookup:
        made, lookup = self._made
        if made is not live or lookup is None:
            lookup = TableLookup(self._definitions, live.lookup.names, self._store)
            self._made = live, lookup
        return lookup
