"""Jobs that work at once, and jobs that are killed: every record is answered once, none is lost."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Sequence
from functools import partial

import pytest

from sluice.batch.claims import Answer, Held
from sluice.batch.database import Database
from sluice.batch.job import Counts, Job
from sluice.batch.records import Entry, outcomes, submit, summary
from tests.streams.processes import fork, join, kill

CRASHES = int(os.environ.get("CRASHES", "5"))
N = 400
IDS = [f"r{n}" for n in range(N)]


def scoring(records: Sequence[Held]) -> list[Answer]:
    """As slow as a small graph; says which process it was."""
    time.sleep(0.0005 * len(records))
    return [Answer({"n": held.record["n"], "by": os.getpid()}, "1") for held in records]


def fill(url: str) -> None:
    database = Database(url, "tiny", "binary")
    submit(database, [Entry(id, {"n": n}) for n, id in enumerate(IDS)])
    database.close()


def work(url: str, chunk: int) -> Counts:
    """A job, from its start to its end."""
    database = Database(url, "tiny", "binary")
    try:
        return [Counts(), *Job(scoring, database, chunk=chunk, lease_s=0.5).run()][-1]
    finally:
        database.close()


def check(url: str) -> list[int]:
    """Each record is answered once, with its own answer; who gave them."""
    database = Database(url, "tiny", "binary")
    assert summary(database)[:4] == (0, 0, N, 0)
    found = [outcome.output or {} for outcome in outcomes(database, IDS)]
    database.close()
    assert [output["n"] for output in found] == list(range(N))
    return [output["by"] for output in found]


def test_jobs_at_once_share_the_work(url: str) -> None:
    fill(url)
    pids = [fork(partial(work, url, 10)) for _ in range(3)]
    assert [join(pid) for pid in pids] == [0] * 3
    by = check(url)
    assert {who for who in pids if by.count(who) >= 20} == set(pids)


@pytest.mark.parametrize("seed", range(CRASHES))
def test_jobs_that_are_killed_lose_and_repeat_nothing(url: str, seed: int) -> None:
    fill(url)
    rng = random.Random(seed)
    pids = [fork(partial(work, url, rng.choice([7, 20, 50]))) for _ in range(2)]
    for pid in pids:
        time.sleep(rng.uniform(0.0, 0.15))
        kill(pid)
    work(url, 20)
    check(url)
