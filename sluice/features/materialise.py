"""Filling the online store from the sources."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from sluice.errors import DeclarationError, nearest
from sluice.features.definitions import Definitions
from sluice.features.source import Table, load_sources, read_table
from sluice.features.store import OnlineStore, Row, layout_of

ROWS_AT_ONCE = 10_000


def materialise(
    definitions: Definitions,
    root: Path,
    store: OnlineStore,
    *,
    entities: Iterable[str] | None = None,
    progress: bool = True,
) -> dict[str, int]:
    """Write all rows of the sources into the store, and publish their layouts.

    All sources are read and checked before the first row is written. It may be stopped at any
    moment and run again: writing a row twice changes nothing, and a layout is published only when
    all of its rows are there.

    Args:
        definitions: what features.yaml declares.
        root: the project's folder, where the sources' functions are found.
        store: the online store.
        entities: which ones; all, if not given.
        progress: show bars on standard error.

    Returns:
        The number of rows per entity.

    Raises:
        DeclarationError: for an unknown entity, or a source that is not as declared.
        StoreUnavailable: when the store does not answer.
    """
    names = list(definitions.entities if entities is None else entities)
    for name in names:
        if name not in definitions.entities:
            hint = nearest(name, definitions.entities)
            raise DeclarationError(definitions.file, "entities", f"no entity {name!r}", hint)
    sources = load_sources(definitions, root, names)
    tables = {n: read_table(definitions, n, source) for n, source in sources.items()}
    return {n: _fill(definitions, n, table, (store, progress)) for n, table in tables.items()}


def _fill(
    definitions: Definitions, entity: str, table: Table, into: tuple[OnlineStore, bool]
) -> int:
    from tqdm import tqdm

    store, progress = into
    layout = layout_of(definitions, entity)
    rows, total = rows_of(table), len(table.times)
    with tqdm(total=total, desc=entity, unit=" rows", disable=not progress) as bar:
        while batch := list(islice(rows, ROWS_AT_ONCE)):
            bar.update(store.put_many(layout, batch))
    store.publish(layout)
    return total


def rows_of(table: Table) -> Iterator[Row]:
    """The rows of a table as a store takes them."""
    keys = zip(*(column.tolist() for column in table.keys), strict=True)
    values = zip(*(column.tolist() for column in table.values), strict=True)
    return zip(keys, table.times.tolist(), values, strict=True)
