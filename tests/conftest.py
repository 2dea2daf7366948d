"""What tests share: a project whose state lies in a folder of the run, and a trained flight graph.

Nothing here reads or writes the .sluice of the working tree.
"""

from __future__ import annotations

import fcntl
import gc
import logging
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent
_STATE = tempfile.TemporaryDirectory(prefix="sluice-tests-", ignore_cleanup_errors=True)

# Before anything of the project is imported: processes that tests start inherit it.
for _name in [n for n in os.environ if n.startswith("SLUICE_") or n == "PORT"]:
    del os.environ[_name]
os.environ.update(SLUICE_PROJECT=str(ROOT), SLUICE_STATE=_STATE.name, OMP_NUM_THREADS="1")

# Seldom: beside pandas and scikit-learn a collection costs more than what it finds is worth.
gc.set_threshold(50_000, 10, 10)

# What is compiled is kept, whatever the environment says: else the hundreds of processes that tests
# start would each compile all that they import.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

settings.register_profile("sluice", deadline=None)  # a busy machine fails no law
settings.load_profile("sluice")

# After the environment is set.
from tests.streams.broker import broker, pytest_terminal_summary, real_broker  # noqa: E402, F401
from tests.tiny import ORDER, Tiny, make  # noqa: E402

RECORD: dict[str, Any] = {
    "carrier": "UA",
    "flight": 1545,
    "tailnum": "N14228",
    "origin": "EWR",
    "dest": "IAH",
    "distance": 1400,
    "sched_dep_time": 515,
    "sched_arr_time": 819,
    "time_hour": "2013-04-01T09:00:00Z",
}


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """Handlers that a test let Sluice's log go through are gone after it, and nothing is silenced.

    Libraries that configure logging when they are imported silence loggers that were there.
    """
    own = logging.getLogger("sluice")
    for name in [n for n in logging.root.manager.loggerDict if n.split(".")[0] == "sluice"]:
        logging.getLogger(name).disabled = False
    before = own.handlers[:], own.level, own.propagate
    yield
    own.handlers[:], own.level, own.propagate = before


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    """A test leaves no handler of SIGTERM behind: processes that are forked later would have it,
    and not end when they are told to."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    left = signal.signal(signal.SIGTERM, before)
    assert left is before, f"it has left {left} as the handler of SIGTERM"


@pytest.fixture
def record() -> dict[str, Any]:
    """A flight as a caller sends it."""
    return dict(RECORD)


@pytest.fixture(scope="session")
def state() -> Path:
    """The folder in which this run's stores, versions and events are."""
    return Path(_STATE.name)


@pytest.fixture(scope="session")
def flights(state: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's folder, with a champion of flight-delay: the workflow main ran once.

    Where tests run in several processes, the first one's state is copied by the others.
    """
    from sluice.project import Project
    from sluice.workflow import run_workflow

    if "PYTEST_XDIST_WORKER" not in os.environ:
        run_workflow(Project.find(ROOT), "main", graph="flight-delay")
        return ROOT
    shared = tmp_path_factory.getbasetemp().parent / "flights"
    with (shared.parent / "flights.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not shared.exists():
            run_workflow(Project.find(ROOT), "main", graph="flight-delay")
            shutil.copytree(state, shared.with_name("flights.part"))
            shared.with_name("flights.part").rename(shared)
    shutil.copytree(shared, state, dirs_exist_ok=True)
    return ROOT


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """The tiny project, trained; for looking at."""
    return make(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def shop(tiny: Tiny, tmp_path: Path) -> Tiny:
    """A copy of the tiny project, for changing."""
    return tiny.copy(tmp_path / "shop")


@pytest.fixture
def order() -> dict[str, Any]:
    """An order of the tiny project, as a caller sends it."""
    return dict(ORDER)
