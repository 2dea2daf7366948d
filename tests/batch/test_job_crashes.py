"""Jobs that work at once, and jobs that are killed: every record is answered once, none is lost."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection

from sluice.batch.claims import Answer, Held
from sluice.batch.database import Database
from sluice.batch.isolate import Scoring
from sluice.batch.job import Counts, Job
from sluice.batch.records import Entry, outcomes, submit, summary
from sluice.streams import Clock
from tests.streams.fakes import FakeClock
from tests.streams.processes import fork, join, kill

CRASHES = int(os.environ.get("CRASHES", "5"))
N = 200
IDS = [f"r{n}" for n in range(N)]


def scoring(records: Sequence[Held]) -> list[Answer]:
    """As slow as a small graph; says which process it was."""
    time.sleep(0.0005 * len(records))
    return [Answer({"n": held.record["n"], "by": os.getpid()}, "1") for held in records]


def fill(url: str) -> None:
    database = Database(url, "tiny", "binary")
    submit(database, [Entry(id, {"n": n}) for n, id in enumerate(IDS)])
    database.close()


class Meeting:
    """Scoring that answers nothing before so many processes have records."""

    def __init__(self, folder: Path, count: int) -> None:
        self._folder, self._count = folder, count

    def __call__(self, records: Sequence[Held]) -> list[Answer]:
        (self._folder / str(os.getpid())).touch()
        while len(list(self._folder.iterdir())) < self._count:
            time.sleep(0.001)
        return scoring(records)


def work(
    url: str, chunk: int, clock: Clock = time, answer: Scoring = scoring, lease_s: float = 0.5
) -> Counts:
    """A job, from its start to its end."""
    database = Database(url, "tiny", "binary")
    try:
        job = Job(answer, database, chunk=chunk, lease_s=lease_s, clock=clock)
        return [Counts(), *job.run()][-1]
    finally:
        database.close()


class Dying(Database):
    """Ends its process in the middle of its n-th transaction that writes, or right after it."""

    def __init__(self, url: str, nth: int, after: bool) -> None:
        super().__init__(url, "tiny", "binary")
        self._left, self._after = nth, after

    @contextmanager
    def write(self) -> Iterator[Connection]:
        self._left -= 1
        with super().write() as connection:
            yield connection
            if not self._left and not self._after:
                os.kill(os.getpid(), signal.SIGKILL)
        if not self._left:
            os.kill(os.getpid(), signal.SIGKILL)


def check(url: str) -> list[int]:
    """Each record is answered once, with its own answer; who gave them."""
    database = Database(url, "tiny", "binary")
    assert summary(database)[:4] == (0, 0, N, 0)
    found = [outcome.output or {} for outcome in outcomes(database, IDS)]
    database.close()
    assert [output["n"] for output in found] == list(range(N))
    return [output["by"] for output in found]


def test_jobs_at_once_share_the_work(url: str, tmp_path: Path) -> None:
    fill(url)
    (folder := tmp_path / "there").mkdir()
    job = partial(work, url, 10, answer=Meeting(folder, 3), lease_s=60)
    pids = [fork(job) for _ in range(3)]
    assert [join(pid) for pid in pids] == [0] * 3
    by = check(url)
    assert {who for who in pids if by.count(who) >= 10} == set(pids)


def test_a_client_that_submits_again_and_again_repeats_nothing(url: str) -> None:
    """While jobs move records from table to table."""
    fill(url)
    pids = [fork(partial(work, url, 10)) for _ in range(2)]
    end = time.monotonic() + 1
    while time.monotonic() < end:
        fill(url)
    assert [join(pid) for pid in pids] == [0] * 2
    work(url, 10)
    check(url)


@pytest.mark.parametrize("seed", range(CRASHES))
def test_jobs_that_are_killed_lose_and_repeat_nothing(url: str, seed: int) -> None:
    fill(url)
    rng = random.Random(seed)
    pids = [fork(partial(work, url, rng.choice([7, 20, 40]))) for _ in range(2)]
    for pid in pids:
        time.sleep(rng.uniform(0.0, 0.1))
        kill(pid)
    work(url, 20)
    check(url)


@pytest.mark.parametrize("after", [False, True], ids=["before the commit", "after the commit"])
@pytest.mark.parametrize("nth", [1, 2, 3, 4], ids=["claim", "finish", "2nd claim", "2nd finish"])
def test_a_job_that_is_killed_around_a_commit(url: str, nth: int, after: bool) -> None:
    fill(url)

    def dying() -> None:
        database = Dying(url, nth, after)
        list(Job(scoring, database, chunk=50, lease_s=60).run())

    assert join(fork(dying)) == -signal.SIGKILL
    work(url, 50, FakeClock(time.time() + 61))
    check(url)
