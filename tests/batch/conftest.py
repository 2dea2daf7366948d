"""Databases for tests: each test that takes `url` runs on SQLite and on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from sluice.batch.database import Database
from tests.batch import postgres

_number = count()


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """A PostgreSQL server of this run, or the test is skipped."""
    with postgres.server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'batch.db'}"
    return postgres.create(request.getfixturevalue("server"), f"t{next(_number)}")


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """The tables of graph `binary` of the project `tiny`."""
    database = Database(url, "tiny", "binary")
    yield database
    database.close()
