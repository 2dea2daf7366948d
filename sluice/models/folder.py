"""A model store in a folder.

    <root>/<graph>/1/…            a version: its files, manifest.json, manifest.sha256
    <root>/<graph>/aliases.json   where each alias points
    <root>/<graph>/history.jsonl  one line for each move of an alias
    <root>/<graph>/<name>.json    a document that is kept beside them
    <root>/<graph>/.lock          held while something is written
    <root>/<graph>/.new           a version being written; a leftover of a crash is removed

A version appears by one rename and an alias moves by one rename, so a reader needs no lock and a
process that is killed leaves nothing half done. The lock is flock's, which the kernel releases
when its holder ends.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from sluice.durable import sync
from sluice.errors import DeclarationError, NotFound, VersionRefused, nearest
from sluice.models import aliases
from sluice.models.aliases import Alias, Move, Table, move_of
from sluice.models.document import plain_name, read_document, utc_text, write_document
from sluice.models.manifest import (
    DIGEST,
    MANIFEST,
    Draft,
    Files,
    Manifest,
    Stored,
    read_manifest,
    seal,
    unseal,
)

_VERSION = re.compile(r"[1-9][0-9]*")
_ALIASES, _HISTORY, _LOCK, _NEW = "aliases.json", "history.jsonl", ".lock", ".new"


class FolderStore:
    """A ModelStore in the folder `root`; processes of one machine may share it.

    Args:
        root: the folder; it is made by the first `log`.
        clock: seconds since 1970, for `created`, `since` and `at`.
    """

    def __init__(self, root: Path, clock: Callable[[], float] = time.time) -> None:
        self.root, self._clock = root, clock

    def versions(self, graph: str) -> list[str]:
        folder = self._folder(graph)
        names = (path.name for path in folder.iterdir()) if folder.is_dir() else ()
        return sorted(filter(_VERSION.fullmatch, names), key=int)

    def log(self, graph: str, draft: Draft, files: Files) -> str:
        folder = self._folder(graph)
        folder.mkdir(parents=True, exist_ok=True)
        with self._locked(folder):
            version = str(self._last_number(graph) + 1)
            _write_folder(folder / _NEW, seal(graph, version, draft, files, self._clock))
            # Renaming onto a folder that holds something fails: nothing is ever overwritten.
            (folder / _NEW).rename(folder / version)
            sync(folder)
        return version

    def manifest(self, graph: str, version: str) -> Manifest:
        return read_manifest(graph, version, self._contents(graph, version, (MANIFEST, DIGEST)))

    def read(self, graph: str, version: str) -> Stored:
        return unseal(graph, version, self._contents(graph, version))

    def aliases(self, graph: str) -> dict[str, Alias]:
        return dict(self._table(graph).aliases)

    def aliases_token(self, graph: str) -> tuple[int, int, int]:
        return self._tag(graph, _ALIASES)

    def promote(
        self, graph: str, version: str, alias: str = "champion", evidence: Any = None, by: str = ""
    ) -> Alias:
        self.read(graph, version)
        with self._locked(self._folder(graph)):
            table = self._table(graph)
            if alias in table.aliases and table.aliases[alias].version == version:
                return table.aliases[alias]
            new = table.promote(alias, version, utc_text(self._clock), by)
            return self._commit(graph, new, move_of("promote", alias, table, new, evidence))

    def rollback(
        self, graph: str, alias: str = "champion", evidence: Any = None, by: str = ""
    ) -> Alias:
        with self._locked(self._folder(graph)):
            table = self._table(graph)
            new = table.rollback(alias, utc_text(self._clock), by)
            self.read(graph, new.aliases[alias].version)
            return self._commit(graph, new, move_of("rollback", alias, table, new, evidence))

    def history(self, graph: str) -> list[Move]:
        count = self._table(graph).moves
        moves = {move.number: move for move in self._lines(graph) if move.number <= count}
        lost = sorted(set(range(1, count + 1)) - set(moves))
        if lost:
            where = f"move {lost[0]}"
            raise DeclarationError(self._folder(graph) / _HISTORY, where, "is missing or damaged")
        return [moves[number] for number in sorted(moves)]

    def document(self, graph: str, name: str) -> tuple[bytes | None, tuple[int, int, int]]:
        while True:
            tag = self._tag(graph, f"{name}.json")
            path = self._folder(graph) / f"{name}.json"
            data = path.read_bytes() if any(tag) else None
            if self._tag(graph, f"{name}.json") == tag:
                return data, tag

    def document_tag(self, graph: str, name: str) -> tuple[int, int, int]:
        return self._tag(graph, f"{name}.json")

    def replace(self, graph: str, name: str, tag: Hashable, data: bytes) -> bool:
        folder = self._folder(graph)
        with self._locked(folder):
            if self._tag(graph, f"{name}.json") != tag:
                return False
            _replace(folder / f"{name}.json", data)
        return True

    def _tag(self, graph: str, name: str) -> tuple[int, int, int]:
        try:
            status = os.stat(f"{self.root}/{graph}/{name}")  # noqa: PTH116 (half of Path's time)
        except FileNotFoundError:
            return (0, 0, 0)
        return (status.st_mtime_ns, status.st_ino, status.st_size)

    def _folder(self, graph: str) -> Path:
        if not plain_name(graph):
            raise NotFound(f"{graph!r} cannot be the name of a graph")
        return self.root / graph

    @contextmanager
    def _locked(self, folder: Path) -> Iterator[None]:
        if not folder.is_dir():
            raise NotFound(f"no version of {folder.name} in {self.root}")
        with (folder / _LOCK).open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _last_number(self, graph: str) -> int:
        """The highest number ever seen, so that a version that was deleted is not replaced."""
        table = self._table(graph).aliases.values()
        named = [version for alias in table for version in (alias.version, *alias.trail)]
        named += [move.version for move in self._lines(graph)]
        return max(map(int, [*self.versions(graph), *named]), default=0)

    def _contents(self, graph: str, version: str, only: tuple[str, ...] = ()) -> dict[str, bytes]:
        folder = self._folder(graph) / version
        if not _VERSION.fullmatch(version) or not folder.is_dir():
            hint = nearest(version, self.versions(graph))
            raise NotFound(f"{graph} has no version {version!r}: {hint}")
        contents = {}
        for path in sorted(folder.iterdir()):
            if path.is_symlink() or not path.is_file():
                raise VersionRefused(graph, version, path.name, "is not a plain file")
            if not only or path.name in only:
                contents[path.name] = _read_file(graph, version, path)
        return contents

    def _table(self, graph: str) -> Table:
        path = self._folder(graph) / _ALIASES
        try:
            return read_document(path.read_bytes(), Table, (aliases.FORMAT,))
        except FileNotFoundError:
            return Table()
        except ValueError as error:
            raise DeclarationError(path, "", str(error)) from None

    def _lines(self, graph: str) -> Iterator[Move]:
        """The moves in the history file, those that never counted among them.

        A line is written before the aliases are: one that a crash cut short, or that counts
        beyond the table's `moves`, is of a move that was not made.
        """
        path = self._folder(graph) / _HISTORY
        for line in path.read_bytes().splitlines() if path.exists() else ():
            try:
                yield read_document(line, Move, (aliases.FORMAT,))
            except ValueError:
                continue  # `history` raises when a move that counts is lost by this

    def _commit(self, graph: str, table: Table, move: Move) -> Alias:
        folder = self._folder(graph)
        with (folder / _HISTORY).open("a+b") as history:
            torn = history.tell() > 0 and os.pread(history.fileno(), 1, history.tell() - 1) != b"\n"
            history.write((b"\n" if torn else b"") + msgspec.json.encode(move) + b"\n")
            history.flush()
            os.fsync(history.fileno())
        _replace(folder / _ALIASES, write_document(table))
        return table.aliases[move.alias]


def _read_file(graph: str, version: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        why = f"cannot be read: {error.strerror}"
        raise VersionRefused(graph, version, path.name, why) from None


def _write_folder(folder: Path, files: Files) -> None:
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()
    for name, data in files.items():
        _write_file(folder / name, data)
    sync(folder)


def _write_file(path: Path, data: bytes) -> None:
    """Write a new read-only file, and see it on the disk."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fchmod(file.fileno(), os.fstat(file.fileno()).st_mode & 0o444)
        os.fsync(file.fileno())


def _replace(path: Path, data: bytes) -> None:
    """Put a file in place of another one, as a whole."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    _write_file(new, data)
    new.replace(path)
    sync(path.parent)
