"""A real repository of Feast with its SQLite online store, served by its own feature server.

Feast wants numpy 2, so it has an environment of its own: the folder that FEAST_VENV names, or one
that CLIENTS=1 builds under build/clients (some 800 MB, a minute).
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from sluice.errors import DeclarationError
from sluice.features.online import beside
from sluice.features.store import open_store
from tests.conftest import ROOT
from tests.features.elsewhere import NAMES, NOON, definitions, looked
from tests.serving import free_port

PIN = "feast==0.67.0"


def environment() -> Path:
    """The bin folder of an environment with Feast, or a skip that says what is missing."""
    if "FEAST_VENV" in os.environ:
        return Path(os.environ["FEAST_VENV"]).resolve() / "bin"
    if os.environ.get("CLIENTS") != "1":
        pytest.skip("FEAST_VENV names no environment with Feast, and CLIENTS is not 1")
    folder = ROOT / "build" / "clients" / "feast"
    if not (folder / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [str(folder / "bin" / "pip"), "install", "--quiet", PIN]
        subprocess.run(pip, check=True, timeout=900)
        (folder / "complete").touch()
    return folder / "bin"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    bin, folder = environment(), tmp_path_factory.mktemp("feast")
    own = {n: v for n, v in os.environ.items() if n != "PYTHONPATH"}
    environ = {**own, "HOME": str(folder), "FEAST_USAGE": "False"}
    script = str(Path(__file__).with_name("feast_repository.py"))
    filled = subprocess.run(
        [str(bin / "python"), script],
        cwd=folder, env=environ, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert filled.returncode == 0, filled.stderr
    port = free_port()
    command = [str(bin / "feast"), "serve", "-h", "127.0.0.1", "-p", str(port)]
    with (folder / "serve.log").open("w") as out:
        process = subprocess.Popen(command, cwd=folder, env=environ, stdout=out, stderr=out)
    url = f"http://127.0.0.1:{port}"
    try:
        wait(url, process, folder / "serve.log")
        yield url
    finally:
        process.terminate()
        process.wait(30)


def wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 180
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"the feature server did not come up:\n{log.read_text('utf-8')}")


def test_features_ages_and_misses(server: str, tmp_path: Path) -> None:
    declared = definitions(tmp_path, timeout="    timeout: 10s #")
    store = beside(open_store(tmp_path / "features", ("p", "g")), declared, server)
    found = looked(store, declared, 1001.0, 1002.0, 7.0, 1001.0, now=NOON + 3600)
    assert [f.values for f in found] == [
        [0.5, 3.0, "Bonn"], [0.25, 4.0, "Köln"], [0.25, 0.0, "nowhere"], [0.5, 3.0, "Bonn"],
    ]  # fmt: skip
    assert [f.ages for f in found] == [{"drivers": 3600}, {"drivers": 0}, {}, {"drivers": 3600}]
    assert [f.defaulted for f in found] == [
        {}, {"drivers.rate": "null"}, dict.fromkeys(NAMES, "missing"), {},
    ]  # fmt: skip
    [early] = looked(store, declared, 1002.0, now=NOON)
    assert early.defaulted == dict.fromkeys(NAMES, "missing")
    [late] = looked(store, declared, 1001.0, now=NOON + 8000)
    assert late.defaulted == dict.fromkeys(NAMES, "stale")
    store.close()


def test_a_view_that_there_is_not(server: str, tmp_path: Path) -> None:
    declared = definitions(tmp_path, "feast:riders", timeout="    timeout: 10s #")
    store = beside(open_store(tmp_path / "features", ("p", "g")), declared, server)
    with pytest.raises(DeclarationError, match="riders"):
        looked(store, declared, 1001.0, now=NOON)
    store.close()
