"""A subject's rows in the online store: those of entities whose keys name the subject."""

from __future__ import annotations

from collections.abc import Iterator

from sluice.errors import RecordError
from sluice.features.definitions import Definitions
from sluice.features.embedded import EmbeddedStore
from sluice.features.inspect import typed_key
from sluice.features.store import Key, OnlineStore, Rows, layout_of
from sluice.forget.place import Place, Seen
from sluice.forget.subject import Subject
from sluice.scrub import scrub


class FeatureRows(Place):
    """The online store of a graph, without what other stores keep for it.

    An entity is the subject's where each field of its key is given; others have no rows of one
    subject alone, or can't be told. What its sources still hold comes back when they are
    materialised again.
    """

    def __init__(self, definitions: Definitions, store: OnlineStore, url: str) -> None:
        self.name, self._definitions, self._store = f"features {url}", definitions, store

    def look(self, subject: Subject, *, delete: bool) -> Iterator[Seen]:
        for entity, declared in self._definitions.entities.items():
            if declared.online or not declared.keyed_by(subject.fields):
                continue
            texts = [subject.fields[name] for name in declared.keys.values()]
            try:
                key = typed_key(self._definitions, declared, texts)
            except RecordError:  # a text where keys are numbers: no row has it
                continue
            yield Seen(1, self._rows(entity, key, delete))

    def _rows(self, entity: str, key: Key, delete: bool) -> int:
        layout = self._store.layout(entity) or layout_of(self._definitions, entity)

        def work(rows: Rows) -> int:
            newer, base = rows.around(layout, key, float("-inf"))
            if delete:
                rows.clear(layout, key)
            return len(newer) + (base is not None)

        return self._store.update(work)

    def clean(self, subject: Subject) -> Iterator[int]:
        if isinstance(self._store, EmbeddedStore):
            yield from scrub(self._store.environment, subject.texts)

    def close(self) -> None:
        self._store.close()
