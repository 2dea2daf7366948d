"""API keys, of which only SHA-256 sums are known here.

An entry is NAME:SUM, or NAME:SUM:GRAPH:GRAPH for a key that is good for some graphs only. Entries
stand in a setting, separated by commas, and in a file, one a line; `#` begins a comment there.
"""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path
from typing import NamedTuple

from sluice.errors import DeclarationError

log = logging.getLogger("sluice")
LOOK_S = 1.0  # between looks at the file
_NAME = re.compile(r"[\w.@-]{1,100}")
_SUM = re.compile(r"[0-9a-fA-F]{64}")
_FORM = "write NAME:SUM or NAME:SUM:GRAPH, as `sluice keys new NAME` prints it"


class Key(NamedTuple):
    """What is known of a key. No graphs: all of them."""

    name: str
    digest: bytes
    graphs: frozenset[str] = frozenset()


def make_key() -> str:
    """A new key: 256 random bits."""
    return f"sluice_{secrets.token_urlsafe(32)}"


def digest_of(key: str) -> bytes:
    """The SHA-256 sum of a key. It needs no salt: nobody guesses 256 random bits."""
    return sha256(key.encode()).digest()


def parse(entries: Iterable[str], place: object, where: str) -> list[Key]:
    """The keys of some entries.

    Raises DeclarationError that counts the entries from 1 and quotes none: it may be a key itself.
    """
    keys = []
    for number, entry in enumerate(entries, 1):
        name, *rest = entry.strip().split(":")
        graphs = frozenset(rest[1:])
        if not (_NAME.fullmatch(name) and rest and _SUM.fullmatch(rest[0]) and "" not in graphs):
            at = f"{where} {number}".strip()
            raise DeclarationError(place, at, "is no name with a SHA-256 sum", _FORM)
        keys.append(Key(name, bytes.fromhex(rest[0]), graphs))
    return keys


def read(file: Path) -> list[Key]:
    """The keys in a file. Raises DeclarationError."""
    try:
        lines = file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DeclarationError(file, "", f"can't be read: {type(error).__name__}") from None
    keys: list[Key] = []
    for number, line in enumerate(lines, 1):
        entry = line.partition("#")[0].strip()
        if entry:
            try:
                keys += parse([entry], file, "")
            except DeclarationError as error:
                raise DeclarationError(file, f"line {number}", error.problem, _FORM) from None
    return keys


class Keys:
    """The keys that are good now.

    Args:
        listed: keys of the settings.
        file: a file of more keys, followed while it changes; one that can't be read any more leaves
            the keys as they were, and the log says so.
        clock: seconds, monotonic.

    Raises DeclarationError for a file that can't be read.
    """

    def __init__(
        self,
        listed: Iterable[Key] = (),
        file: Path | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._listed, self._file, self._clock = tuple(listed), file, clock
        self._state = _state(file)
        self._keys = _shelved((*self._listed, *(read(file) if file else ())))
        self._next_look = clock() + LOOK_S

    def find(self, given: str) -> Key | None:
        """The key that a caller gave, or None. Costs a sum, and a comparison in constant time.

        Keys are found by two bytes of their sum. A caller who measures how long that takes learns
        two bytes of the sum of what he sent, which he can work out himself.
        """
        if self._file is not None and self._clock() >= self._next_look:
            self._look(self._file)
        # Anything may stand in a header: halves of surrogate pairs are no key of ours.
        digest = sha256(given.encode("utf-8", "replace")).digest()
        for key in self._keys.get(digest[:2], ()):
            if compare_digest(key.digest, digest):
                return key
        return None

    def _look(self, file: Path) -> None:
        self._next_look = self._clock() + LOOK_S
        state = _state(file)
        if state == self._state:
            return
        self._state = state
        try:
            self._keys = _shelved((*self._listed, *read(file)))
        except DeclarationError as error:
            log.error("API keys stay as they were: %s", error)


def _state(file: Path | None) -> object:
    try:
        status = file.stat() if file else None
    except OSError:
        return None
    return status and (status.st_ino, status.st_mtime_ns, status.st_size)


def _shelved(keys: Iterable[Key]) -> Mapping[bytes, tuple[Key, ...]]:
    shelves: dict[bytes, tuple[Key, ...]] = {}
    for key in keys:
        shelves[key.digest[:2]] = (*shelves.get(key.digest[:2], ()), key)
    return shelves
