"""The model store: immutable versions of each graph's model, and the aliases that point at them."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from sluice.address import load
from sluice.errors import DeclarationError, NotFound, nearest
from sluice.models.aliases import Alias, Move
from sluice.models.manifest import Draft, Files, Manifest, Stored


class ModelStore(Protocol):
    """What every model store does. Versions are "1", "2", …; nothing ever overwrites one.

    Raises, throughout: NotFound for a version or alias that is not there, VersionRefused for one
    that is damaged or of a newer format (file, why).
    """

    def versions(self, graph: str) -> list[str]:
        """The versions of `graph`, oldest first. None of them is half written."""

    def log(self, graph: str, draft: Draft, files: Files) -> str:
        """Store a new version as a whole, and return its number."""

    def manifest(self, graph: str, version: str) -> Manifest:
        """The manifest of a version alone, checked against its own sum: for listings."""

    def read(self, graph: str, version: str) -> Stored:
        """A version with every byte verified."""

    def aliases(self, graph: str) -> dict[str, Alias]:
        """Where each alias points."""

    def aliases_token(self, graph: str) -> Hashable:
        """A value that changes when an alias moves; cheap enough to compare on each request."""

    def promote(
        self, graph: str, version: str, alias: str = "champion", evidence: Any = None, by: str = ""
    ) -> Alias:
        """Point `alias` at `version`, after verifying every byte of it.

        Promoting the version that the alias names already changes nothing.
        """

    def rollback(
        self, graph: str, alias: str = "champion", evidence: Any = None, by: str = ""
    ) -> Alias:
        """Point `alias` at the version that it named before.

        Each rollback goes one promotion further back: after 1, 2, 3 were promoted, two rollbacks
        end at 1. The version that was left is forgotten as a way back; the history keeps it.
        A damaged target is refused, and the alias stays.
        """

    def history(self, graph: str) -> list[Move]:
        """Every move of every alias of `graph`, oldest first, with its evidence."""

    def document(self, graph: str, name: str) -> tuple[bytes | None, Hashable]:
        """A small document that is kept beside the aliases, and its tag; None where it is not."""

    def document_tag(self, graph: str, name: str) -> Hashable:
        """The tag alone: it changes when the document does, and is cheap to ask for."""

    def replace(self, graph: str, name: str, tag: Hashable, data: bytes) -> bool:
        """Put a document in place of the one with this tag, as a whole; False if it has another.

        False also where it was done and the answer was lost.
        """


def open_store(
    url: str | Path, clock: Callable[[], float] = time.time, cache: Path | None = None
) -> ModelStore:
    """The store at a folder's path, file:// address or s3://bucket/prefix.

    Args:
        url: where the store is.
        clock: seconds since 1970.
        cache: a folder for what was fetched from S3; None: it is fetched again each time.

    Raises DeclarationError for another kind, or S3 where boto3 is not installed.
    """
    from sluice.models.folder import FolderStore

    if isinstance(url, Path) or "://" not in url:
        return FolderStore(Path(url), clock)
    scheme = url.partition("://")[0]
    if scheme == "s3":
        store: ModelStore = load("model store", scheme, "sluice.models.s3", "boto3").S3Store(
            url, clock, cache
        )
        return store
    parts = urlsplit(url)
    if scheme != "file" or parts.netloc not in ("", "localhost"):
        hint = "supported: a folder, as a path or as file:///path; s3://bucket/prefix"
        # The rest of the address may hold a password.
        raise DeclarationError("model store", "", f"cannot open {scheme!r} addresses here", hint)
    return FolderStore(Path(unquote(parts.path)), clock)


def resolve(store: ModelStore, graph: str, name: str) -> str:
    """The version that `name`, an alias or a number, means. Raises NotFound."""
    aliases = store.aliases(graph)
    if name in aliases:
        return aliases[name].version
    versions = store.versions(graph)
    if name in versions:
        return name
    raise NotFound(
        f"{graph} has no version or alias {name!r}: {nearest(name, [*aliases, *versions])}"
    )
