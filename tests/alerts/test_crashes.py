"""A watch that is killed again and again: incidents and notices are those of one that was not."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sluice.alerts import state
from sluice.alerts.watch import Watch
from tests.alerts.kept import HOUR, Kept, asked
from tests.streams.processes import fork, join
from tests.tiny import Tiny
from tests.windows.world import BEGAN

CRASHES = int(os.environ.get("CRASHES", "5"))
HOURS = 24 * 12
DECLARED = "[{watch: error_share, cool_down: 1d, for: 2h}]"


def kept(watch: Watch) -> Any:
    """The incidents, and the notices that wait."""
    waiting = watch.environment.read(lambda txn: [w for _, w in state.waiting(txn)])
    return msgspec.to_builtins([watch.incidents(), [w.notice for w in waiting]])


def look(shop: Tiny) -> None:
    """A watch as a process of its own, to the end."""
    with Watch.open(shop.project, "binary") as watch:
        for hour in range(0, HOURS + 1, 3):
            watch.look(BEGAN + hour * HOUR)


@pytest.fixture(scope="module")
def expected(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> tuple[Tiny, Any]:
    """A project with windows, and what one watch keeps that nobody killed."""
    folder, rng = tmp_path_factory.mktemp("watched"), random.Random(3)
    shop = tiny.copy(folder / "full")
    with Kept(shop, DECLARED) as windows:
        for hour in range(HOURS):
            bad = rng.random() < 0.4
            windows.put(hour, asked(400, statuses={"500": 90 * bad}, steps={"model": 900}))
    whole = Tiny(Path(shutil.copytree(shop.root, folder / "whole")))
    look(whole)
    with Watch.open(whole.project, "binary") as watch:
        found = kept(watch)
    assert len(found[0]) > 10
    assert 5 < len(found[1]) < len(found[0]) * 2
    return shop, found


@pytest.mark.parametrize("seed", range(CRASHES))
def test_killed_at_any_moment_it_keeps_the_same(
    expected: tuple[Tiny, Any], tmp_path: Path, seed: int
) -> None:
    shop = Tiny(Path(shutil.copytree(expected[0].root, tmp_path / "shop")))
    rng = random.Random(seed)
    for _ in range(3):
        child = fork(partial(look, shop))
        time.sleep(rng.uniform(0.02, 0.3))  # killed in the middle of something
        os.kill(child, signal.SIGKILL)
        assert join(child) in (-signal.SIGKILL, 0)  # it may have been done
    assert join(fork(partial(look, shop))) == 0
    with Watch.open(shop.project, "binary") as watch:
        assert kept(watch) == expected[1]
