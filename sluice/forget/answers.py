"""A subject's answers and labels that the monitor keeps until they are joined."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from sluice.environment import acquire, release, wipe
from sluice.forget.place import Place, Seen
from sluice.forget.subject import Subject
from sluice.scrub import scrub
from sluice.windows import state
from sluice.windows.table import digest

_KINDS = {b"a": 5, b"b": 5, b"l": 1, b"x": 5}  # by kind, where the digest begins in a name
_AT_ONCE = 10_000


class Answers(Place):
    """The state of a graph's monitor. Windows are counts, and stay."""

    def __init__(self, file: Path) -> None:
        self.name = f"monitor {file}"
        self._env = acquire(file, state.KIND, time.monotonic)

    def look(self, subject: Subject, *, delete: bool) -> Iterator[Seen]:
        own = {
            digest(f"{id}/{n}".encode()) for id, count in subject.ids.items() for n in range(count)
        }
        for kind, begins in _KINDS.items():
            after: bytes | None = b""
            while own and after is not None:
                names = self._env.read(_names, kind, after)
                found = [name for name in names if name[begins:] in own]
                if delete and found:
                    self._env.write(_delete, found)
                yield Seen(len(names), len(found))
                after = names[-1][1:] + b"\0" if len(names) == _AT_ONCE else None

    def clean(self, subject: Subject) -> Iterator[int]:
        yield from scrub(self._env, subject.texts)

    def close(self) -> None:
        release(self._env)


def _names(txn: Any, kind: bytes, after: bytes) -> list[bytes]:
    return [name for name, _ in islice(state.items(txn, kind, after), _AT_ONCE)]


def _delete(txn: Any, names: list[bytes]) -> None:
    for name in names:
        wipe(txn, name)
