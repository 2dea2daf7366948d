"""Redaction: what of a record does not leave the process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any

import orjson

from sluice.quote import found

DROP, HASH = "drop", "hash"
MASK = "[redacted]"
Action = str | int  # drop, hash, or how many characters are kept


class Redaction:
    """Drops, hashes or truncates fields of records and outputs, and masks them in error texts.

    A hash is BLAKE2b keyed with `salt`, 32 hexadecimal digits of the value's JSON: equal values
    stay equal, so events can be joined and counted. Whoever has the salt can try values out, so
    keep it as a secret; where few values are possible, drop. Of a truncated text the first
    characters are kept; what is no text is a null then. A null stays null.

    Args:
        fields: by name, "drop", "hash", or how many characters of a text are kept.
        salt: 16 to 64 bytes, wanted where a field is hashed.

    Raises:
        ValueError: for another action, or a hash without a salt of that length.
    """

    def __init__(self, fields: Mapping[str, Action] | None = None, salt: bytes = b"") -> None:
        self._fields, self._salt = dict(fields or {}), salt
        for name, action in self._fields.items():
            if action not in (DROP, HASH) and type(action) is not int:
                raise ValueError(f"redact.{name}: {action!r} is neither {DROP} nor {HASH}")
            if action == HASH and not 16 <= len(salt) <= 64:
                raise ValueError(f"redact.{name}: a hash wants a salt of 16 to 64 bytes")

    def __bool__(self) -> bool:
        return bool(self._fields)

    def __iter__(self) -> Iterator[str]:
        """The names of the fields."""
        return iter(self._fields)

    def named(self, values: Mapping[str, Any]) -> str | None:
        """A hash of values that only who has the salt can try out; None where there is no salt."""
        if not 16 <= len(self._salt) <= 64:
            return None
        data = orjson.dumps(values, option=orjson.OPT_SORT_KEYS)
        return blake2b(data, key=self._salt, digest_size=16).hexdigest()

    def action(self, name: str) -> Action | None:
        """What is done to a field; None: nothing."""
        return self._fields.get(name)

    def names(self, names: Iterable[str]) -> list[str]:
        """The names without those that are dropped."""
        return [name for name in names if self._fields.get(name) != DROP]

    def fields(self, values: dict[str, Any]) -> dict[str, Any]:
        """Values by name, without those that are dropped, and the others as they may leave."""
        if not self._fields:
            return values
        return {name: self.value(name, values[name]) for name in self.names(values)}

    def value(self, name: str, value: Any) -> Any:
        """The value as it may leave, of a field that is not dropped."""
        action = self._fields.get(name)
        if value is None or action is None:
            return value
        if action == HASH:
            return blake2b(orjson.dumps(value), key=self._salt, digest_size=16).hexdigest()
        return value[: int(action)] if isinstance(value, str) else None

    def column(self, name: str, values: Sequence[Any]) -> Sequence[Any]:
        """Many values as they may leave."""
        if name not in self._fields:
            return values
        return [self.value(name, value) for value in values]

    def body(self, body: Any, names: Sequence[str] = ()) -> Any:
        """A request's decoded body as it may leave: a record, a list of them, or MLRun's inputs.

        `names` are those of records that are lists. What is none of it has no fields to go by,
        and is None.
        """
        if hasattr(body, "records"):  # a message
            body = body.records
        if isinstance(body, list):
            return [self._record(record, names) for record in body]
        if not isinstance(body, Mapping):
            return None
        if isinstance(body.get("inputs"), list):
            kept = {name: body[name] for name in ("id", "explain") if name in body}
            return {**kept, "inputs": self.body(body["inputs"], names)}
        return self.fields(dict(body))

    def text(self, text: str, records: Iterable[Any]) -> str:
        """The text without the redacted values of the records: messages quote what they found."""
        for secret in self._secrets(records):
            text = text.replace(secret, MASK)
        return text

    def conceal(self, error: BaseException, body: Any) -> None:
        """Take the redacted values of what was asked out of an error, and of what it came of.

        It is done before anybody is told of the error: log, event, dead letter and reply say the
        same.
        """
        secrets = self._secrets(_records(body))
        seen: set[int] = set()
        link: BaseException | None = error
        while secrets and link is not None and id(link) not in seen:
            seen.add(id(link))
            link.args = tuple(_masked(value, secrets) for value in link.args)
            for name, value in vars(link).items():
                if isinstance(value, str):
                    vars(link)[name] = _masked(value, secrets)
            link = link.__cause__ or link.__context__

    def _record(self, record: Any, names: Sequence[str]) -> Any:
        if isinstance(record, Mapping):
            return self.fields(dict(record))
        if isinstance(record, list) and len(record) == len(names):
            return self.fields(dict(zip(names, record, strict=True)))
        return None

    def _secrets(self, records: Iterable[Any]) -> list[str]:
        """The texts that stand for redacted values, the longest first."""
        secrets = {
            secret
            for record in records
            if isinstance(record, Mapping)
            for name in self._fields.keys() & record.keys()
            for secret in _spellings(record[name])
        }
        return sorted(secrets, key=len, reverse=True)


def _spellings(value: Any) -> Iterator[str]:
    """How a text may say a value."""
    if value is None or value == "":
        return
    if isinstance(value, str):
        yield from (value, repr(value)[1:-1], found(value)[1:-1])
        return
    yield found(value)
    if isinstance(value, Mapping | list):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _spellings(part)
        return
    yield str(value)


def _masked(value: Any, secrets: Sequence[str]) -> Any:
    """A value that an error was raised with; what is no text becomes one if it tells a secret."""
    text = str(value)
    masked = text
    for secret in secrets:
        masked = masked.replace(secret, MASK)
    return value if masked == text else masked


def _records(body: Any) -> Iterable[Any]:
    """The records of a message, a table, or a body as it came."""
    if hasattr(body, "records"):
        body = body.records
    elif hasattr(body, "frame"):
        return (body.frame.record(place) for place in range(len(body)))
    if isinstance(body, Mapping):
        inputs = body.get("inputs")
        return inputs if isinstance(inputs, list) else [body]
    return body if isinstance(body, list) else []
