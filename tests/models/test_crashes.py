"""Kills and races: a version is whole or absent, a move is made or not, nothing is overwritten."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from sluice.models.folder import FolderStore
from tests.models.samples import FILES, GRAPH, draft

CRASHES = int(os.environ.get("CRASHES", "5"))

# Does `action` over and over in forks, each killed at a later system call than the one before,
# until one ends by itself: so every point between two calls is a point of a crash.
AT_EVERY_CALL = """
import os, signal, sys
from pathlib import Path
from sluice.models.folder import FolderStore
from tests.models.samples import FILES, GRAPH, draft

store, action = FolderStore(Path(sys.argv[1])), sys.argv[2]
WATCHED = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "fcntl.flock", "os.fsync"}

def attempt(limit):
    calls = 0
    def hook(event, args):
        nonlocal calls
        if event in WATCHED:
            calls += 1
            if calls == limit:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(hook)
    if action == "log":
        store.log(GRAPH, draft(), FILES)
    else:
        store.promote(GRAPH, str(limit + 1))
    os._exit(0)

for limit in range(1, 200):
    child = os.fork()
    if not child:
        attempt(limit)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
        break
    aliases = store.aliases(GRAPH)
    print(limit, len(store.versions(GRAPH)), aliases["champion"].version if aliases else "-")
"""

# Logs and promotes without end, saying each version once it is in.
FOREVER = """
import sys
from pathlib import Path
from sluice.models.folder import FolderStore
from tests.models.samples import GRAPH, draft

store = FolderStore(Path(sys.argv[1]))
while True:
    version = store.log(GRAPH, draft(), {"model.onnx": bytes(300_000), "b.json": b"{}"})
    print("logged", version, flush=True)
    store.promote(GRAPH, version)
    print("promoted", version, flush=True)
"""

# Logs `argv[2]` versions and promotes each at once.
SOME = """
import sys
from pathlib import Path
from sluice.models.folder import FolderStore
from tests.models.samples import FILES, GRAPH, draft

store = FolderStore(Path(sys.argv[1]))
for _ in range(int(sys.argv[2])):
    store.promote(GRAPH, store.log(GRAPH, draft(), FILES), by=sys.argv[3])
"""


def start(program: str, *args: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, *map(str, args)]
    root = Path(__file__).parents[2]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root)


def check_whole(store: FolderStore) -> None:
    """Every version verifies, the champion's among them, and the history tells all its moves."""
    versions = store.versions(GRAPH)
    assert versions == [str(number + 1) for number in range(len(versions))]
    for version in versions:
        store.read(GRAPH, version)
    moves, champion = store.history(GRAPH), store.aliases(GRAPH).get("champion")
    assert [move.number for move in moves] == list(range(1, len(moves) + 1))
    if champion:
        assert champion.version in versions
        assert champion.version == moves[-1].version


def test_log_killed_at_every_call_leaves_a_whole_version_or_none(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    output = start(AT_EVERY_CALL, tmp_path, "log").communicate()[0].split("\n")[:-1]
    assert len(output) >= 10
    check_whole(store)
    before = len(store.versions(GRAPH))
    assert store.log(GRAPH, draft(), FILES) == str(before + 1)
    assert not (tmp_path / GRAPH / ".new").exists()


def test_promote_killed_at_every_call_moves_or_does_not(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    for _ in range(30):
        store.log(GRAPH, draft(), FILES)
    store.promote(GRAPH, "1")
    output = start(AT_EVERY_CALL, tmp_path, "promote").communicate()[0].split("\n")[:-1]
    assert len(output) >= 10
    check_whole(store)
    assert store.rollback(GRAPH).version in store.versions(GRAPH)
    check_whole(store)


@pytest.mark.parametrize("seed", range(CRASHES))
def test_killed_at_any_time_keeps_what_it_had_said(tmp_path: Path, seed: int) -> None:
    process = start(FOREVER, tmp_path)
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(random.Random(seed).uniform(0, 0.1))
    process.kill()
    lines = process.communicate()[0].split("\n")[:-1]
    store = FolderStore(tmp_path)
    check_whole(store)
    for line in lines:
        what, version = line.split()
        assert version in store.versions(GRAPH)
        if what == "promoted":
            assert version in [move.version for move in store.history(GRAPH)]
    store.promote(GRAPH, store.log(GRAPH, draft(), FILES))
    check_whole(store)


def test_processes_that_write_at_once_get_versions_of_their_own(tmp_path: Path) -> None:
    processes = [start(SOME, tmp_path, 8, name) for name in ("ann", "bob", "cy")]
    assert [process.wait(30) for process in processes] == [0, 0, 0]
    for process in processes:
        process.communicate()
    store = FolderStore(tmp_path)
    check_whole(store)
    assert len(store.versions(GRAPH)) == 24
    assert sorted(move.version for move in store.history(GRAPH)) == sorted(store.versions(GRAPH))
    assert len(store.aliases(GRAPH)["champion"].trail) == 23


def test_threads_that_promote_at_once_lose_no_move(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    for _ in range(12):
        store.log(GRAPH, draft(), FILES)
    promote = [lambda n=n: store.promote(GRAPH, str(n)) for n in range(1, 13)]
    threads = [threading.Thread(target=one) for one in promote]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check_whole(store)
    assert len(store.history(GRAPH)) == 12


def test_a_reader_beside_a_writer_sees_whole_states_only(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    writer = start(SOME, tmp_path, 20, "ann")
    looks = 0
    while writer.poll() is None:
        champion = store.aliases(GRAPH).get("champion")
        if champion:
            store.read(GRAPH, champion.version)
            looks += 1
    writer.communicate()
    assert writer.returncode == 0
    assert looks > 0
