"""Stores of entities that are kept elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sluice.features.definitions import Definitions
from sluice.features.online import beside
from sluice.features.store import OnlineStore, open_store
from tests.features.elsewhere import FeastServer, running

Opener = Callable[..., OnlineStore]


@pytest.fixture
def feast() -> Iterator[FeastServer]:
    with running() as server:
        yield server


@pytest.fixture
def own(tmp_path: Path) -> Iterator[OnlineStore]:
    store = open_store(tmp_path / "features", ("p", "g"))
    yield store
    store.close()


@pytest.fixture
def opened(own: OnlineStore) -> Iterator[Opener]:
    """Opens the store of declared entities, and closes it."""
    stores: list[OnlineStore] = []

    def make(declared: Definitions, url: str, **more: Any) -> OnlineStore:
        stores.append(beside(own, declared, url, **more))
        return stores[-1]

    yield make
    for store in stores:
        store.close()
