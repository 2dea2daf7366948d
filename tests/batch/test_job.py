"""The job: what it does with good records, bad ones, and with what is away."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection

from sluice.batch.claims import Answer, Claims, Held
from sluice.batch.database import Database
from sluice.batch.isolate import GraphBroken
from sluice.batch.job import ATTEMPTS, Counts, Job, Stop
from sluice.batch.records import Entry, outcomes, retry, submit, summary
from sluice.errors import SluiceError, StoreUnavailable, Unavailable, VersionRefused
from tests.batch import postgres
from tests.streams.fakes import FakeClock

N = 100


class Doubling:
    """Scoring that doubles `n`; a negative one fails, text raises."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def __call__(self, records: Sequence[Held]) -> list[Answer]:
        self.calls.append(len(records))
        return [self.one(held.record["n"]) for held in records]

    def one(self, n: Any) -> Answer:
        doubled = 2 + n - 2 + n  # a TypeError for text
        if doubled < 0:
            return Answer(None, None, "n: expected at least 0")
        return Answer({"doubled": doubled}, "7")


def put(database: Database, *numbers: Any) -> list[str]:
    ids = [f"r{place}" for place in range(len(numbers))]
    submit(database, [Entry(id, {"n": n}) for id, n in zip(ids, numbers, strict=True)])
    return ids


def last(job: Job) -> Counts:
    return [Counts(), *job.run()][-1]


def statuses(database: Database, ids: Sequence[str]) -> list[str]:
    return [outcome.status for outcome in outcomes(database, ids)]


def test_chunks_until_nothing_is_pending(database: Database) -> None:
    ids, scoring = put(database, *range(N)), Doubling()
    seen = list(Job(scoring, database, chunk=40).run())
    assert [counts.done for counts in seen] == [40, 80, 100]
    assert scoring.calls == [40, 40, 20]
    found = outcomes(database, ids)
    assert [o.output for o in found] == [{"doubled": 2 * n} for n in range(N)]
    assert {o.version for o in found} == {"7"}
    assert list(Job(scoring, database).run()) == []


def test_a_bad_record_fails_alone_and_can_be_tried_again(database: Database) -> None:
    ids = put(database, 1, -1, 2)
    assert last(Job(Doubling(), database)) == Counts(done=2, failed=1)
    assert statuses(database, ids) == ["done", "failed", "done"]
    assert outcomes(database, ids)[1].reason == "n: expected at least 0"
    retry(database)
    assert last(Job(lambda held: [Answer({}, "8")] * len(held), database)) == Counts(done=1)
    assert outcomes(database, ids)[1].version == "8"


@pytest.mark.parametrize("places", [[0], [57], [3, 4, 99], list(range(0, 100, 2)), range(12)])
def test_records_that_raise_are_found_and_the_others_answered(
    database: Database, places: Sequence[int]
) -> None:
    numbers: list[Any] = [*range(N)]
    for place in places:
        numbers[place] = "poison"
    ids = put(database, *numbers)
    scoring = Doubling()
    assert last(Job(scoring, database)) == Counts(done=N - len(places), failed=len(places))
    failed = [n for n, o in enumerate(outcomes(database, ids)) if o.status == "failed"]
    assert failed == list(places)
    reason = str(outcomes(database, [f"r{failed[0]}"])[0].reason)
    assert reason.startswith("TypeError: ")
    if len(places) == 1:
        assert len(scoring.calls) < 40


def test_when_every_record_raises_it_is_the_graph(database: Database) -> None:
    ids, scoring = put(database, *["poison"] * 50), Doubling()
    with pytest.raises(SluiceError, match="every record raises, first TypeError"):
        last(Job(scoring, database))
    assert len(scoring.calls) < 30
    assert statuses(database, ids) == ["pending"] * 50
    assert last(Job(lambda held: [Answer({})] * len(held), database)).done == 50


def test_records_that_all_raise_do_not_hold_others_up_for_ever(database: Database) -> None:
    """The next job claims fewer of them at once, in the end too few to blame the graph."""
    put(database, *["poison"] * N, *range(N))
    with pytest.raises(GraphBroken):
        last(Job(Doubling(), database, chunk=N))
    assert last(Job(Doubling(), database, chunk=N)) == Counts(done=N, failed=N)


@pytest.mark.parametrize(
    "error",
    [VersionRefused("g", "1", "model.onnx", "sum"), StoreUnavailable("x"), Unavailable("x")],
)
def test_what_is_not_the_records_fault_ends_the_job_and_loses_nothing(
    database: Database, error: SluiceError
) -> None:
    def scoring(_: Sequence[Held]) -> list[Answer]:
        raise error

    ids = put(database, 1, 2)
    with pytest.raises(type(error)):
        last(Job(scoring, database, patience_s=30, clock=FakeClock()))
    assert statuses(database, ids) == ["pending"] * 2
    claim = Claims(database).claim(2)
    assert claim is not None
    assert [held.attempts for held in claim.records] == [0, 0]


class Away:
    """Scoring that is away for the first calls."""

    def __init__(self, calls: int) -> None:
        self.left, self._scoring = calls, Doubling()

    def __call__(self, records: Sequence[Held]) -> list[Answer]:
        self.left -= 1
        if self.left >= 0:
            raise StoreUnavailable("features are away")
        return self._scoring(records)


def test_a_store_that_is_away_is_waited_for(database: Database) -> None:
    put(database, *range(N))
    clock = FakeClock()
    start = clock.time()
    assert last(Job(Away(7), database, clock=clock, patience_s=60)) == Counts(done=N)
    assert clock.time() - start == pytest.approx(0.1 + 0.2 + 0.4 + 0.8 + 1.6 + 3.2 + 6.4)


def test_patience_ends_and_does_not_count_against_the_records(database: Database) -> None:
    ids, clock = put(database, *range(3)), FakeClock()
    start = clock.time()
    with pytest.raises(StoreUnavailable, match="features are away"):
        last(Job(Away(1000), database, clock=clock, patience_s=25))
    assert 25 <= clock.time() - start < 36
    assert statuses(database, ids) == ["pending"] * 3
    claim = Claims(database).claim(9)
    assert claim is not None
    assert [held.attempts for held in claim.records] == [0, 0, 0]


def test_a_database_that_goes_away_is_waited_for(server: str) -> None:
    """Every connection to PostgreSQL is ended while a chunk is scored."""
    url = postgres.create(server, "away")
    database = Database(url, "tiny", "binary")
    put(database, *range(N))
    scoring, ended = Doubling(), []

    def ending(records: Sequence[Held]) -> list[Answer]:
        with database.engine.begin() as connection:
            text = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = "
            ended.append(connection.exec_driver_sql(
                text + "current_database() AND pid <> pg_backend_pid()").rowcount)  # fmt: skip
        return scoring(records)

    own = Database(url, "tiny", "binary")
    assert last(Job(ending, own, chunk=50)) == Counts(done=N)
    assert sum(ended) >= 2
    own.close()
    database.close()


class Losing(Database):
    """After the third commit, its connection breaks before that is known."""

    commits = 0

    @contextmanager
    def write(self) -> Iterator[Connection]:
        with super().write() as connection:
            yield connection
        self.commits += 1
        if self.commits == 3:
            raise StoreUnavailable("the connection broke")


def test_a_commit_whose_answer_is_lost_is_not_repeated(url: str) -> None:
    """The second try finds nothing that is still its own."""
    database = Losing(url, "tiny", "binary")
    ids, scoring = put(database, *range(N)), Doubling()
    assert last(Job(scoring, database, clock=FakeClock())) == Counts(taken=N)
    assert statuses(database, ids) == ["done"] * N
    assert scoring.calls == [N]
    database.close()


def test_a_record_that_ends_every_process_is_given_up(database: Database) -> None:
    ids = put(database, *range(3))
    clock = FakeClock()
    for _ in range(ATTEMPTS):
        claim = Claims(database, 60, clock.time).claim(1)
        assert claim is not None
        assert claim.records[0].id == "r0"
        clock.sleep(60)
    scoring = Doubling()
    assert last(Job(scoring, database, clock=clock)) == Counts(done=2, failed=1)
    assert scoring.calls == [2]
    reason = outcomes(database, ids)[0].reason
    assert reason == "given up: 5 jobs that had claimed it ended without an answer"


def test_what_another_job_drops_is_taken_over(database: Database) -> None:
    put(database, *range(4))
    clock = FakeClock()
    assert Claims(database, 60, clock.time).claim(2) is not None
    assert last(Job(Doubling(), database, clock=clock)) == Counts(done=4)
    assert clock.time() >= 1_700_000_060


def test_what_another_job_has_taken_over_is_not_written(database: Database) -> None:
    put(database, *range(4))
    clock = FakeClock()
    doubling = Doubling()

    def slow(records: Sequence[Held]) -> list[Answer]:
        if not doubling.calls:
            clock.sleep(61)
            doubling(records)
            assert last(Job(doubling, database, clock=clock)) == Counts(done=4)
        return doubling(records)

    assert last(Job(slow, database, clock=clock)) == Counts(taken=4)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_the_chunk_end(database: Database, number: signal.Signals) -> None:
    put(database, *range(N))
    stop, doubling = Stop(), Doubling()

    def scoring(records: Sequence[Held]) -> list[Answer]:
        signal.raise_signal(number)
        return doubling(records)

    before = signal.signal(number, stop)
    try:
        assert last(Job(scoring, database, chunk=30, stop=stop)) == Counts(done=30)
    finally:
        signal.signal(number, before)
    assert summary(database)[:4] == (N - 30, 0, 30, 0)


def test_a_second_signal_ends_it_at_once_and_releases_the_chunk(database: Database) -> None:
    put(database, *range(N))
    stop = Stop()

    def scoring(_: Sequence[Held]) -> list[Answer]:
        stop()
        stop()
        raise AssertionError

    with pytest.raises(KeyboardInterrupt):
        last(Job(scoring, database, stop=stop))
    assert summary(database)[:4] == (N, 0, 0, 0)


def test_a_signal_ends_a_wait(database: Database) -> None:
    put(database, 1)
    stop = Stop()

    def scoring(_: Sequence[Held]) -> list[Answer]:
        stop()
        raise StoreUnavailable("features are away")

    with pytest.raises(StoreUnavailable):
        last(Job(scoring, database, stop=stop))
    assert summary(database).pending == 1


class Feeding(FakeClock):
    """While it is slept on, more comes in; at last the job is stopped."""

    def __init__(self, database: Database, stop: Stop) -> None:
        super().__init__()
        self._database, self._stop, self._end = database, stop, self.now + 20

    def sleep(self, seconds: float, /) -> None:
        super().sleep(seconds)
        if self.now >= self._end:
            self._stop()
        elif self.now - int(self.now) < 0.1:
            submit(self._database, [Entry(f"at {self.now}", {"n": 1})])


def test_watching_goes_on_until_it_is_stopped(database: Database) -> None:
    stop = Stop()
    job = Job(Doubling(), database, clock=Feeding(database, stop), stop=stop)
    counts = [*job.run(watch_s=2)][-1]
    assert counts.done >= 10
    assert summary(database).done == counts.done


@pytest.mark.parametrize("chunk", [0, -1, 10_001])
def test_chunks_have_bounds(database: Database, chunk: int) -> None:
    with pytest.raises(SluiceError, match="expected 1 to 10000"):
        Job(Doubling(), database, chunk=chunk)
