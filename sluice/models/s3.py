"""A model store in S3: `s3://bucket/prefix`.

    <prefix>/<graph>/versions/1.json    a version: its manifest; the manifest's sum is its metadata
    <prefix>/<graph>/files/<sha256>     the files of all versions, each once
    <prefix>/<graph>/aliases.json       where each alias points, and the moves that count
    <prefix>/<graph>/moves/<name>.json  a move of an alias
    <prefix>/<graph>/<name>.json        a document that is kept beside the aliases

A version appears with its manifest, which is put last, on the condition that there is none of its
number. An alias moves with one conditional put of aliases.json. So a process that is killed leaves
nothing half done, and of two that meet one begins again. What it leaves, files that no manifest
names and moves that aliases.json does not, is never read.

S3 must know conditional writes (If-None-Match and If-Match of PutObject): AWS's does, as do MinIO
and others of 2024 and later.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from sluice.address import Option, read_address
from sluice.errors import DeclarationError, NotFound, StoreUnavailable, VersionRefused, nearest
from sluice.models import aliases
from sluice.models.aliases import Alias, Move, Table, move_of
from sluice.models.bucket import Bucket
from sluice.models.cache import Cache
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

OPTIONS: Mapping[str, Option] = {"endpoint": "", "region": "", "timeout": 5.0}
_VERSION = re.compile(r"[1-9][0-9]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_TRIES = 10


class Aliases(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All aliases of a graph. `moves` names their moves in order, `last` is the highest version
    that an alias ever pointed at."""

    format: int = aliases.FORMAT
    aliases: dict[str, Alias] = {}
    moves: list[str] = []
    last: int = 0

    @property
    def table(self) -> Table:
        return Table(aliases.FORMAT, len(self.moves), self.aliases)


class S3Store:
    """A ModelStore in a bucket, which must be there.

    Args:
        url: `s3://bucket/prefix`; options: `endpoint` and `region`, where they are not those that
            boto3 looks up, and `timeout`, seconds to connect and to wait for data, each twice (5).
        clock: seconds since 1970, for `created`, `since` and `at`.
        cache: a folder for files that were read, so that they are not fetched twice; None: none.
    """

    def __init__(
        self, url: str, clock: Callable[[], float] = time.time, cache: Path | None = None
    ) -> None:
        self._address = read_address(url, "model store", OPTIONS)
        if not self._address.host:
            raise self._address.error("names no bucket", "s3://bucket/prefix")
        self._clock, self._cache = clock, Cache(cache)
        self._bucket = Bucket(self._address)

    def versions(self, graph: str) -> list[str]:
        names = self._bucket.names(f"{_plain(graph)}/versions/")
        numbers = (name.removesuffix(".json") for name in names)
        return sorted(filter(_VERSION.fullmatch, numbers), key=int)

    def log(self, graph: str, draft: Draft, files: Files) -> str:
        for _ in range(_TRIES):
            last = self._aliases(graph)[0].last
            version = str(max([last, *map(int, self.versions(graph))]) + 1)
            sealed = seal(graph, version, draft, files, self._clock)
            sums = {n: f.sha256 for n, f in read_manifest(graph, version, sealed).files.items()}
            for name, digest in sums.items():
                self._bucket.put(f"{graph}/files/{digest}", files[name])
            # Two that take the same number at once: one of them has the next.
            if self._put_manifest(graph, version, sealed):
                return version
        raise StoreUnavailable(f"{self._address}: others log versions of {graph} all the time")

    def manifest(self, graph: str, version: str) -> Manifest:
        return read_manifest(graph, version, self._sealed(graph, version))

    def read(self, graph: str, version: str) -> Stored:
        return self._read(graph, version, self._cache)

    def aliases(self, graph: str) -> dict[str, Alias]:
        return dict(self._aliases(graph)[0].aliases)

    def aliases_token(self, graph: str) -> Hashable:
        return self._bucket.tag(f"{_plain(graph)}/aliases.json")

    def promote(
        self, graph: str, version: str, alias: str = "champion", evidence: Any = None, by: str = ""
    ) -> Alias:
        self._read(graph, version, Cache(None))

        def target(table: Table) -> Table:
            if alias in table.aliases and table.aliases[alias].version == version:
                return table
            return table.promote(alias, version, utc_text(self._clock), by)

        return self._move(graph, "promote", alias, target, evidence)

    def rollback(
        self, graph: str, alias: str = "champion", evidence: Any = None, by: str = ""
    ) -> Alias:
        if not self.versions(graph):
            raise NotFound(f"no version of {graph} in {self._address}")

        def target(table: Table) -> Table:
            new = table.rollback(alias, utc_text(self._clock), by)
            self._read(graph, new.aliases[alias].version, Cache(None))
            return new

        return self._move(graph, "rollback", alias, target, evidence)

    def history(self, graph: str) -> list[Move]:
        moves = []
        for number, name in enumerate(self._aliases(graph)[0].moves, 1):
            key = f"{graph}/moves/{name}.json"
            data = self._bucket.get(key)
            try:
                moves.append(read_document(data or b"", Move, (aliases.FORMAT,)))
            except ValueError:
                place = f"{self._address}/{key}"
                raise DeclarationError(place, f"move {number}", "is missing or damaged") from None
        return moves

    def document(self, graph: str, name: str) -> tuple[bytes | None, Hashable]:
        return self._bucket.look(f"{_plain(graph)}/{name}.json")[:2]

    def document_tag(self, graph: str, name: str) -> Hashable:
        return self._bucket.tag(f"{_plain(graph)}/{name}.json")

    def replace(self, graph: str, name: str, tag: Hashable, data: bytes) -> bool:
        known = None if tag is None else str(tag)
        return self._bucket.swap(f"{_plain(graph)}/{name}.json", known, data)

    def _move(
        self, graph: str, action: str, alias: str, target: Callable[[Table], Table], evidence: Any
    ) -> Alias:
        """Move an alias to where `target` says, as often as it takes until nobody is between."""
        tried: dict[str, Alias] = {}
        for _ in range(_TRIES):
            document, tag = self._aliases(graph)
            for done in tried.keys() & set(document.moves):
                return tried[done]  # the answer to its put was lost
            old = document.table
            new = target(old)
            if new == old:
                return old.aliases[alias]
            name = f"{new.moves:06}-{secrets.token_hex(4)}"
            move = move_of(action, alias, old, new, evidence)
            self._bucket.put(f"{graph}/moves/{name}.json", msgspec.json.encode(move))
            tried[name] = new.aliases[alias]
            last = max(document.last, int(move.version))
            after = Aliases(aliases.FORMAT, new.aliases, [*document.moves, name], last)
            if self._bucket.swap(f"{graph}/aliases.json", tag, write_document(after)):
                return new.aliases[alias]
        raise StoreUnavailable(f"{self._address}: others move aliases of {graph} all the time")

    def _aliases(self, graph: str) -> tuple[Aliases, str | None]:
        """The aliases of a graph, and the tag of their file; None where there is none."""
        key = f"{_plain(graph)}/aliases.json"
        data, tag, _ = self._bucket.look(key)
        if data is None:
            return Aliases(), None
        try:
            return read_document(data, Aliases, (aliases.FORMAT,)), tag
        except ValueError as error:
            raise DeclarationError(f"{self._address}/{key}", "", str(error)) from None

    def _put_manifest(self, graph: str, version: str, sealed: Files) -> bool:
        """Whether the version is there now, and is this one."""
        key, digest = f"{graph}/versions/{version}.json", sealed[DIGEST].decode()[:64]
        # Two may log the same at the same second: the token tells whose it is.
        metadata = {"sha256": digest, "token": secrets.token_hex(8)}
        if self._bucket.swap(key, None, sealed[MANIFEST], metadata):
            return True
        known = self._bucket.look(key)[2]
        return known.get("token") == metadata["token"]  # the answer to the put was lost

    def _sealed(self, graph: str, version: str) -> dict[str, bytes]:
        """The manifest of a version and its sum, as `seal` gives them."""
        found = None
        if _VERSION.fullmatch(version):
            found, _, known = self._bucket.look(f"{_plain(graph)}/versions/{version}.json")
        if found is None:
            hint = nearest(version, self.versions(graph))
            raise NotFound(f"{graph} has no version {version!r}: {hint}")
        return {MANIFEST: found, DIGEST: f"{known.get('sha256', '')}  {MANIFEST}\n".encode()}

    def _read(self, graph: str, version: str, cache: Cache) -> Stored:
        sealed = self._sealed(graph, version)
        files = {}
        for name, file in read_manifest(graph, version, sealed).files.items():
            if not _SHA256.fullmatch(file.sha256):
                raise VersionRefused(graph, version, MANIFEST, f"the sum of {name} is none")
            data = cache.get(file.sha256)
            if data is None:
                data = self._bucket.get(f"{graph}/files/{file.sha256}")
            if data is not None:
                files[name] = data
        stored = unseal(graph, version, {**sealed, **files})
        for name, file in stored.manifest.files.items():
            cache.keep(file.sha256, files[name])
        return stored


def _plain(graph: str) -> str:
    if not plain_name(graph):
        raise NotFound(f"{graph!r} cannot be the name of a graph")
    return graph
