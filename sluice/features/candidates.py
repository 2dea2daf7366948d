"""Candidates: what a record of a ranking graph is answered about, an item in each of its rows.

candidates:                    # in features.yaml
  field: film                  # the record's field (text) in which each row has its item
  given: candidates            # the key under which a request may bring its own list of items
  of: catalogue.films          # a text feature: the items, with blanks between
  without: [history.films]     # text features: items that are not among them

A record is answered about the list that it brings; else, if it has the field itself, about that
one item; else about all items of `of` that are in none of `without`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sluice.declaration import Section
from sluice.errors import DeclarationError, RecordError, nearest
from sluice.quote import found
from sluice.schema import Schema

MOST = 10_000  # of one record


@dataclass(frozen=True, slots=True)
class Candidates:
    """The section as it is declared."""

    field: str
    given: str
    of: str
    without: tuple[str, ...]

    @classmethod
    def parse(cls, section: Section, record: Schema) -> Candidates:
        """The candidates in a section. Raises DeclarationError."""
        made = cls(
            field=section.take("field", str),
            given=section.take("given", str),
            of=section.take("of", str),
            without=tuple(section.take("without", list, [])),
        )
        section.done()
        declared = record.by_name.get(made.field)
        if declared is None or declared.type != "string" or declared.required:
            hint = nearest(made.field, record.names)
            raise section.error("field", f"{made.field!r} is no optional text of the record", hint)
        if made.given in record.by_name:
            raise section.error("given", f"{made.given!r} is a field of the record")
        return made

    @property
    def features(self) -> tuple[str, ...]:
        """The features that candidates are made of."""
        return (self.of, *self.without)

    def check(self, file: object, features: Mapping[str, Any], keys: Mapping[str, Any]) -> None:
        """Raise DeclarationError for a feature that is no text, or that is looked up by item.

        `features` are declared ones by name, `keys` the fields that entities are looked up by.
        """
        for name in self.features:
            feature = features.get(name)
            if feature is None or feature.type != "string":
                problem, hint = f"{name!r} is no feature of type string", nearest(name, features)
                raise DeclarationError(file, "candidates", problem, hint)
            if self.field in keys[feature.entity]:
                problem = f"{name} is looked up by {self.field}, so there are no items yet"
                raise DeclarationError(file, "candidates", problem)

    def all_given(
        self, records: Sequence[Any], rows: Iterable[int]
    ) -> tuple[list[list[str] | None], dict[int, RecordError]]:
        """What `given_by` says of the records in `rows`, and why others are refused."""
        lists: list[list[str] | None] = []
        refused: dict[int, RecordError] = {}
        for row in rows:
            try:
                lists.append(self.given_by(records[row]))
            except RecordError as error:
                refused[row] = error
        return lists, refused

    def given_by(self, record: Mapping[str, Any]) -> list[str] | None:
        """The list that a record brings, each item once; None if it brings none.

        Raises RecordError for anything but a list of texts that is not too long.
        """
        brought = record.get(self.given)
        if brought is None:
            return None
        if not isinstance(brought, list) or len(brought) > MOST:
            what = f"{len(brought)} of them" if isinstance(brought, list) else found(brought)
            raise RecordError(self.given, f"expected a list of up to {MOST} texts, found {what}")
        for item in brought:
            if not isinstance(item, str) or not item:
                raise RecordError(self.given, f"expected texts, found {found(item)} in the list")
        return list(dict.fromkeys(brought))

    def all(self, values: Mapping[str, Any]) -> list[str]:
        """The items of a record that names none, by the values of its `features`."""
        gone: set[str] = set()
        for name in self.without:
            gone.update((values[name] or "").split())
        return [item for item in (values[self.of] or "").split() if item not in gone]
