"""A subject: whose records are to be forgotten, and how to tell them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from sluice.monitoring.redaction import HASH, Redaction

_LONG = 6  # characters of a value that is looked for in any text; shorter ones are in many
# A value stands by itself: joann@example.org and 1234567 are not ann@example.org and 123456.
_BEFORE = r"(?:(?<![\w@.+-])|(?<=\\[bfnrt]))"  # JSON's escapes end with a letter
_BEHIND = r"(?![\w@]|[.+-]\w)"


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
        self._texts = {n: {v, *_hashes(n, v, redaction)} for n, v in self.fields.items()}
        self._numbers = {n: _number(v) for n, v in self.fields.items()}
        spelled = [{*texts, *_numerals(self.fields[n])} for n, texts in self._texts.items()]
        if any(len(value) < _LONG for value in self.fields.values()):
            spelled = []
        self.spellings = [list(_bytes(texts)) for texts in spelled]
        self._alone = [_alone(texts) for texts in spelled]

    @property
    def texts(self) -> list[bytes]:
        """All that a value may be spelled as, in bytes; nothing where one of them is short."""
        return [text for texts in self.spellings for text in texts]

    def note(self, id: str | None, records: int = 1) -> None:
        """Remember that a request is the subject's."""
        if id:
            self.ids[id] = max(records, self.ids.get(id, 0))

    def quoted(self, *data: bytes) -> bool:
        """Whether all values stand somewhere in the bytes; not where one of them is short."""
        held = bool(self.spellings) and all(
            any(text in some for text in texts for some in data) for texts in self.spellings
        )
        if not held:
            return False
        said = [some.decode(errors="replace") for some in data]
        return all(any(map(pattern.search, said)) for pattern in self._alone)

    def tells(self, data: Any) -> bool:
        """Whether a record of the subject's is in what JSON held, however deep."""
        if isinstance(data, dict):
            if self._is(data):
                return True
            data = list(data.values())
        return isinstance(data, list) and any(
            self.tells(value) for value in data if isinstance(value, dict | list)
        )

    def _is(self, record: Mapping[str, Any]) -> bool:
        return bool(self.fields) and all(
            name in record and self._has(name, record[name]) for name in self.fields
        )

    def _has(self, name: str, value: Any) -> bool:
        """Whether a field has the subject's value: "0012" is 12 where numbers are, not "12"."""
        if isinstance(value, bool):
            return str(value).lower() == self.fields[name].lower()
        if isinstance(value, int | float):
            return value == self._numbers[name]
        return isinstance(value, str) and value in self._texts[name]


def _number(value: str) -> int | float | None:
    """The number that a text is; None for another text."""
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return None


def _numerals(value: str) -> set[str]:
    """How a number may be written; nothing for a text that is none, or is "0012"."""
    number = _number(value)
    texts = set() if number is None else {str(number), str(float(number))}
    return texts if value in texts else set()


def _hashes(name: str, value: str, redaction: Redaction) -> Iterator[str]:
    """What a value is kept as where its field is hashed: as a text, and as a number."""
    if redaction.action(name) == HASH:
        number = _number(value)
        values = [value] if number is None else [value, number, float(number)]
        yield from (redaction.value(name, found) for found in values)


def _alone(texts: set[str]) -> re.Pattern[str]:
    """What finds one of these texts where it is not a part of a longer one."""
    found = {re.escape(spelled) for text in texts for spelled in (text, _escaped(text))}
    return re.compile(f"{_BEFORE}(?:{'|'.join(sorted(found))}){_BEHIND}")


def _escaped(text: str) -> str:
    return json.dumps(text)[1:-1]


def _bytes(texts: set[str]) -> Iterator[bytes]:
    for text in texts:
        yield text.encode()
        yield _escaped(text).encode()
