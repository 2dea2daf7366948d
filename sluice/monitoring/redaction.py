"""Redaction: what of a record does not leave the process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any

import orjson

DROP, HASH = "drop", "hash"
MASK = "[redacted]"


class Redaction:
    """Drops or hashes fields of records and outputs, and masks their values in error texts.

    A hash is BLAKE2b keyed with `salt`, 32 hexadecimal digits of the value's JSON: equal values
    stay equal, so events can be joined and counted. Whoever has the salt can try values out, so
    keep it as a secret; where few values are possible, drop. A null stays null.

    Args:
        fields: by name, "drop" or "hash".
        salt: 16 to 64 bytes, wanted where a field is hashed.

    Raises:
        ValueError: for another action, or a hash without a salt of that length.
    """

    def __init__(self, fields: Mapping[str, str] | None = None, salt: bytes = b"") -> None:
        self._fields, self._salt = dict(fields or {}), salt
        for name, action in self._fields.items():
            if action not in (DROP, HASH):
                raise ValueError(f"redact.{name}: {action!r} is neither {DROP} nor {HASH}")
            if action == HASH and not 16 <= len(salt) <= 64:
                raise ValueError(f"redact.{name}: a hash wants a salt of 16 to 64 bytes")

    def __bool__(self) -> bool:
        return bool(self._fields)

    def names(self, names: Iterable[str]) -> list[str]:
        """The names without those that are dropped."""
        return [name for name in names if self._fields.get(name) != DROP]

    def fields(self, values: dict[str, Any]) -> dict[str, Any]:
        """Values by name, without those that are dropped, and the others as they may leave."""
        if not self._fields:
            return values
        return {name: self.value(name, values[name]) for name in self.names(values)}

    def value(self, name: str, value: Any) -> Any:
        """The value as it may leave."""
        if value is None or self._fields.get(name) != HASH:
            return value
        return blake2b(orjson.dumps(value), key=self._salt, digest_size=16).hexdigest()

    def column(self, name: str, values: Sequence[Any]) -> Sequence[Any]:
        """Many values as they may leave."""
        if self._fields.get(name) != HASH:
            return values
        return [self.value(name, value) for value in values]

    def text(self, text: str, records: Iterable[Any]) -> str:
        """The text without the redacted values of the records: messages quote what they found."""
        for record in records:
            if isinstance(record, Mapping):
                for name in self._fields.keys() & record.keys():
                    if secret := str(record[name] if record[name] is not None else ""):
                        text = text.replace(secret, MASK)
        return text
