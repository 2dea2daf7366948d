"""Training frames: the very values that the online look-up would have answered at each moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from sluice.errors import DeclarationError, GateFailed
from sluice.features.aggregates import Accumulators
from sluice.features.definitions import Definitions
from sluice.features.entity import Feature
from sluice.features.history import windowed
from sluice.features.plan import delay, wanted
from sluice.features.source import Table, read_table
from sluice.features.store import TIMELESS
from sluice.schema import Column

if TYPE_CHECKING:
    import pandas as pd


def training_frame(
    definitions: Definitions,
    records: pd.DataFrame | Mapping[str, Column],
    as_of: Column,
    sources: Mapping[str, pd.DataFrame],
    names: Sequence[str],
) -> pd.DataFrame:
    """The records with their features, each joined as of the record's own moment.

    Args:
        definitions: what features.yaml declares.
        records: n rows, the record's fields typed as Schema.table gives them (a table, or arrays
            by name).
        as_of: n times, seconds since the Unix epoch.
        sources: entity → its source's table, with all that is known by now.
        names: the features wanted, "entity.feature".

    Returns:
        The columns of `records` (and its index), then the features: float64 with NaN, or object
        with None. Missing, null and stale values hold the features' defaults, as in `Lookup`.

    Raises:
        DeclarationError: for an unknown name, or a source that is not as declared.
        GateFailed: when a value was joined that was not known at its `as_of`: a defect.
    """
    import pandas as pd

    frame, columns = pd.DataFrame(records), {}
    moments = np.asarray(as_of, float)
    for entity, features in wanted(definitions, names).items():
        if entity not in sources:
            raise DeclarationError(definitions.file, f"entities.{entity}", "no source was given")
        declared = definitions.entities[entity]
        table = read_table(definitions, entity, sources[entity])
        keys = [frame[name].to_numpy() for name in declared.keys.values()]
        known_until = _known_until(moments, delay(declared))
        rows = newest(table, keys, known_until)
        refuse_later(entity, table.times[rows[rows >= 0]], known_until[rows >= 0])
        ages = _less(moments, np.append(table.times, np.nan)[rows])
        if declared.events is None:
            found = [_found(table.values[declared.features.index(f)], rows) for f in features]
        else:
            accumulators = Accumulators(definitions, declared)
            begins = [
                newest(table, keys, known_until - window)
                for window in accumulators.windows(features)
            ]
            found = windowed(accumulators, features, table, rows, begins)
        for feature, column in zip(features, found, strict=True):
            columns[feature.name] = _values(feature, column, ages)
    return frame.assign(**{name: columns[name] for name in names})


def newest(table: Table, keys: Sequence[Column], known_until: Column) -> Column:
    """For each of n records the row of the table that is its newest at or before `known_until`.

    Args:
        table: the rows of an entity.
        keys: the records' key columns, each [n]; a null matches nothing.
        known_until: n times, seconds since the Unix epoch.

    Returns:
        n positions in the table, −1 where there is none.
    """
    import pandas as pd

    by = [f"key{i}" for i in range(len(keys))]
    asked = pd.DataFrame(dict(zip(by, keys, strict=True)))
    asked = asked.assign(time=known_until, place=np.arange(len(asked))).dropna(subset=by)
    known = pd.DataFrame(dict(zip(by, table.keys, strict=True)))
    known = known.assign(time=table.times, row=np.arange(len(known)))
    rows = np.full(len(known_until), -1)
    if len(asked) and len(known):
        left, right = asked.sort_values("time"), known.sort_values("time")
        joined = pd.merge_asof(left, right, on="time", by=by)
        rows[joined["place"]] = joined["row"].fillna(-1)
    return rows


def refuse_later(entity: str, times: Column, known_until: Column) -> None:
    """Raise GateFailed when a row was joined that was not known yet: [n] times each."""
    later = np.flatnonzero(times > known_until)
    if len(later):
        evidence = {"rows": len(later), "event_time": float(times[later[0]])}
        why = f"{len(later)} rows of {entity} were joined before they were known"
        raise GateFailed("point-in-time", why, evidence)


def _known_until(as_of: Column, delay: float) -> Column:
    moments = _less(as_of, delay)
    return np.where(np.isnan(moments), TIMELESS, moments)


def _less(moments: Column, others: Column | float) -> Column:
    with np.errstate(invalid="ignore"):  # inf − inf is no number: no complaint, as online
        difference: Column = moments - others
    return difference


def _found(column: Column, rows: Column) -> Column:
    """The values of these rows of a column; None or NaN where there is no row (−1)."""
    empty = np.array([None if column.dtype == object else np.nan], column.dtype)
    return np.append(column, empty)[rows]


def _values(feature: Feature, found: Column, ages: Column) -> Column:
    """What was found [n], with defaults where it is null or stale."""
    null = [v is None for v in found] if found.dtype == object else np.isnan(found)
    values: Column = np.where(null | (ages > feature.max_age), feature.default, found)  # type: ignore[arg-type]
    return values
