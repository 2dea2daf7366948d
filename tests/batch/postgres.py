"""A PostgreSQL server for tests: of Debian's packages, in its own folder, ended by its pid."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from tests.servers import end_with_parent

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


def _user() -> str | None:
    """Whom the server runs as, for it refuses root; None for whoever we are."""
    if os.getuid() != 0:
        return None
    return "postgres" if "postgres" in {entry.pw_name for entry in pwd.getpwall()} else "nobody"


@contextmanager
def server() -> Iterator[str]:
    """The address of a server that nobody else uses."""
    if not BINARIES:
        pytest.skip("no PostgreSQL: apt-get install postgresql puts it in /usr/lib/postgresql")
    folder = Path(tempfile.mkdtemp(prefix="sluice-pg-", dir="/tmp"))
    user = _user()
    if user is not None:
        shutil.chown(folder, user)
    try:
        yield from _run(BINARIES[-1], folder, user)
    finally:
        shutil.rmtree(folder)


def _run(binaries: Path, folder: Path, user: str | None) -> Iterator[str]:
    """A server on a unix socket in the folder; no port is opened."""
    data, log = folder / "data", folder / "log"
    made: list[Path | str] = [
        binaries / "initdb",
        "-D",
        data,
        "-U",
        "tests",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "-N",
    ]
    subprocess.run(made, user=user, cwd=folder, check=True, stdout=subprocess.DEVNULL, timeout=60)
    options = ["-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=60"]
    command: list[Path | str] = [binaries / "postgres", "-D", data, "-k", folder, *options]
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, user=user, cwd=folder, stdout=file, stderr=file,
            preexec_fn=partial(end_with_parent, signal.SIGQUIT),  # noqa: PLW1509 (as of Redis)
        )  # fmt: skip
    url = f"postgresql+psycopg://tests@/postgres?host={quote(str(folder), safe='')}"
    try:
        _wait(folder, process, log)
        yield url
    finally:
        process.send_signal(signal.SIGQUIT)  # at once: nothing of it is kept
        process.wait(30)


def _wait(folder: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end and process.poll() is None:
        try:
            psycopg.connect(f"host={folder} user=tests dbname=postgres").close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"PostgreSQL did not come up:\n{log.read_text('utf-8')}")


def create(url: str, name: str) -> str:
    """An empty place in a server, a schema of its own; its address."""
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f'CREATE SCHEMA "{name}"')
    return f"{url}&options=-csearch_path%3D{name}"
