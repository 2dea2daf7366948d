"""Where tests keep features: each kind of store that is quick enough for hundreds of examples."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sluice.features.embedded import EmbeddedStore
from sluice.features.store import OnlineStore, open_store
from tests.servers import shared_redis

KINDS = ["embedded", "redis"]
_GRAPHS = itertools.count()


@contextmanager
def place(kind: str, folder: Path) -> Iterator[str]:
    """The address of stores of a kind."""
    if kind == "redis":
        yield shared_redis().url
        return
    keeper = EmbeddedStore(folder, ("project", "keeps the files open"))
    yield str(folder)
    keeper.close()


def fresh(address: str) -> OnlineStore:
    """A store that has nothing yet."""
    return open_store(address, ("project", f"graph{next(_GRAPHS)}"))
