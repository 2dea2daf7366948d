"""A monitor that is killed again and again: the windows are those of one that was not."""

from __future__ import annotations

import os
import random
import shutil
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sluice.windows.open import opened
from tests.streams.processes import fork, join, kill
from tests.tiny import ORDER, Tiny
from tests.windows.test_monitor import shown
from tests.windows.world import BEGAN, World, observation

CRASHES = int(os.environ.get("CRASHES", "5"))
COUNT = 1200


def fill(world: World, rng: random.Random) -> None:
    """Events, some of them twice, some unreadable; labels early, late, twice, corrected, never."""
    seen = [
        observation(
            f"r{i}", BEGAN + 400.0 * i, version=str(1 + i % 2), duration_us=rng.randint(90, 9000),
            records=[{**ORDER, "city": rng.choice(["Aden", "Bonn", "Rome"]), "amount": i % 97}],
            outputs=[{"probability": rng.random(), "label": 0}],
        )
        for i in range(COUNT)
    ]  # fmt: skip
    events = [(one.when, message) for one, message in zip(seen, world.events(seen), strict=True)]
    events += rng.sample(events, COUNT // 10)
    events += [(BEGAN + n * 90_000.0, events[0][1]._replace(value=b"{")) for n in range(3)]
    told = [i for i in range(COUNT) if rng.random() < 0.7]
    told += rng.sample(told, COUNT // 10)
    labels = []
    for i in told:
        when = BEGAN + 400.0 * i + rng.uniform(0, 2.5 * 86_400)
        labels.append((when, world.label(f"r{i}", rng.randint(0, 1), when)))
    for topic, timed in ((world.topic, events), (world.feedback, labels)):
        # In the order of their times, but for half a day.
        order = sorted(timed, key=lambda one: one[0] + rng.uniform(0, 43_200))
        world.produce(topic, [message for _, message in order])


def monitor(world: World, batch: int) -> None:
    """A monitor as a process of its own, until all is read."""
    with opened(world.project, world.graph, batch=batch) as (monitor, member, _):
        consumer = member(lease_s=0.2)
        monitor.run(consumer, once=True)
        consumer.close()


@pytest.fixture(scope="module")
def expected(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> tuple[Tiny, Any]:
    """A project with events and labels, and the windows of one monitor that nobody killed."""
    folder = tmp_path_factory.mktemp("killed")
    full = World(tiny.copy(folder / "full"), "binary")
    fill(full, random.Random(11))
    whole = copy(full.tiny, folder / "whole")
    whole.work()
    return full.tiny, (shown(whole), whole.counters())


def copy(tiny: Tiny, folder: Path) -> World:
    """The project with what is on its topics."""
    shutil.copytree(tiny.root, folder)
    return World(Tiny(folder), "binary", "")


@pytest.mark.parametrize("seed", range(CRASHES))
def test_killed_at_any_moment_it_counts_each_once(
    expected: tuple[Tiny, Any], tmp_path: Path, seed: int
) -> None:
    full, (windows, counters) = expected
    rng, world = random.Random(seed), copy(full, tmp_path / "shop")
    batch = rng.choice([30, 100, 400])
    for _ in range(3):
        pid = fork(partial(monitor, world, batch))
        time.sleep(rng.uniform(0.05, 0.4))  # killed in the middle of something
        kill(pid)
    assert join(fork(partial(monitor, world, batch))) == 0
    assert shown(world) == windows
    assert world.counters() == counters
    assert counters["labels_joined"] > COUNT / 4
    assert min(counters[n] for n in ("labels_late", "labels_corrected", "repeated_records")) > 0
