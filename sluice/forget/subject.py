"""A subject: whose records are to be forgotten, and how to tell them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from sluice.monitoring.redaction import HASH, Redaction

_LONG = 6  # characters of a value that is looked for in any text; shorter ones are in many


class Subject:
    """Whoever's records have these values in these fields, all of them.

    Where a field is redacted by a hash its hash is looked for, too; of a field that is truncated
    what is kept is not told from others'.

    Args:
        fields: values by field, as text.
        redaction: that of the graph, with the salt that events were made with.

    Attributes:
        ids: the requests that are the subject's, and how many records each has.
    """

    def __init__(self, fields: Mapping[str, str], redaction: Redaction) -> None:
        self.fields = dict(fields)
        self.ids: dict[str, int] = {}
        self._wanted = {n: set(_spelled(n, v, redaction)) for n, v in self.fields.items()}
        self.spellings = [list(_bytes(texts)) for texts in self._wanted.values()]
        if any(len(value) < _LONG for value in self.fields.values()):
            self.spellings = []

    @property
    def texts(self) -> list[bytes]:
        """All that a value may be spelled as, in bytes; nothing where one of them is short."""
        return [text for texts in self.spellings for text in texts]

    def note(self, id: str | None, records: int = 1) -> None:
        """Remember that a request is the subject's."""
        if id:
            self.ids[id] = max(records, self.ids.get(id, 0))

    def quoted(self, *data: bytes) -> bool:
        """Whether all values are somewhere in the bytes; not where one of them is short."""
        return bool(self.spellings) and all(
            any(text in some for text in texts for some in data) for texts in self.spellings
        )

    def tells(self, data: Any) -> bool:
        """Whether a record of the subject's is in what JSON held, however deep."""
        if isinstance(data, Mapping):
            if self._is(data):
                return True
            return any(self.tells(value) for value in data.values())
        return isinstance(data, list) and any(self.tells(value) for value in data)

    def _is(self, record: Mapping[str, Any]) -> bool:
        return bool(self._wanted) and all(
            name in record and str(record[name]) in texts for name, texts in self._wanted.items()
        )


def _spelled(name: str, value: str, redaction: Redaction) -> Iterator[str]:
    """The texts that a value may be kept as."""
    yield value
    values: list[Any] = [value]
    for kind in (int, float):
        try:
            values.append(kind(value))
        except ValueError:
            continue
        yield str(values[-1])
    if redaction.action(name) == HASH:
        yield from (redaction.value(name, found) for found in values)


def _bytes(texts: set[str]) -> Iterator[bytes]:
    for text in texts:
        yield text.encode()
        yield json.dumps(text)[1:-1].encode()
