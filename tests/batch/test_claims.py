"""Claims: leases that end, jobs that take over, what is written and what is not."""

from __future__ import annotations

import pytest

from sluice.batch.claims import Answer, Claim, Claims
from sluice.batch.database import Database
from sluice.batch.records import Entry, outcomes, submit, summary
from sluice.batch.renewal import Renewal
from tests.streams.fakes import FakeClock

LEASE_S = 60.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def claims(database: Database, clock: FakeClock) -> Claims:
    """The claims of a job; ten records are pending."""
    submit(database, [Entry(f"r{n}", {"n": n}) for n in range(10)])
    return Claims(database, LEASE_S, clock.time)


def taken(claims: Claims, at_most: int) -> Claim:
    claim = claims.claim(at_most)
    assert claim is not None
    return claim


def ids(claim: Claim) -> list[str]:
    return [held.id for held in claim.records]


def answers(claim: Claim, who: str = "1") -> list[Answer]:
    return [Answer({"n": held.record["n"], "by": who}, "1") for held in claim.records]


def test_jobs_share_the_records_the_oldest_first(claims: Claims, database: Database) -> None:
    other = Claims(database, LEASE_S, claims._clock)
    mine, theirs = taken(claims, 4), taken(other, 4)
    assert (ids(mine), ids(theirs)) == (["r0", "r1", "r2", "r3"], ["r4", "r5", "r6", "r7"])
    assert ids(taken(claims, 99)) == ["r8", "r9"]
    assert claims.claim(99) is None
    assert len(claims.finish(mine, answers(mine))) == 4
    assert claims.claim(99) is None


def test_a_claim_ends_with_its_lease_and_another_job_takes_over(
    claims: Claims, database: Database, clock: FakeClock
) -> None:
    late = taken(claims, 10)
    clock.sleep(LEASE_S - 1)
    assert claims.claim(10) is None
    clock.sleep(1)
    first = taken(claims, 10)
    assert ids(first) == ["r0"]  # whoever had it may have been killed by it
    rest = taken(claims, 10)
    assert ids(rest) == ["r1"]
    assert {held.attempts for held in (*first.records, *rest.records)} == {1}
    claims.finish(first, answers(first, "2"))
    written = claims.finish(late, answers(late))
    assert [a.output["n"] for a in written if a.output] == list(range(2, 10))
    assert len(claims.finish(rest, answers(rest, "2"))) == 1
    assert claims.finish(late, answers(late)) == []
    by = [o.output["by"] for o in outcomes(database, [f"r{n}" for n in range(10)]) if o.output]
    assert by == ["2", "2", *"11111111"]
    assert summary(database)[:4] == (0, 0, 10, 0)


def test_a_lease_that_is_renewed_goes_on(claims: Claims, clock: FakeClock) -> None:
    claim = taken(claims, 10)
    for _ in range(5):
        clock.sleep(LEASE_S - 1)
        assert claims.renew(claim)
    assert claims.claim(1) is None
    clock.sleep(LEASE_S)
    while claims.claim(10):
        pass
    assert not claims.renew(claim)


def test_what_is_released_is_as_if_it_had_never_been_claimed(claims: Claims) -> None:
    claim = taken(claims, 10)
    claims.release(claim)
    again = taken(claims, 10)
    assert again.records == claim.records
    claims.release(again, count=True)
    assert [held.attempts for held in taken(claims, 16).records] == [1]
    assert claims.finish(claim, answers(claim)) == []


def test_a_claim_shrinks_with_each_time_that_it_came_to_nothing(
    claims: Claims, clock: FakeClock
) -> None:
    sizes = []
    for _ in range(3):
        claim = taken(claims, 160)
        sizes.append(len(claim.records))
        clock.sleep(LEASE_S)
    assert sizes == [10, 10, 1]


def test_the_claim_decides_and_not_the_clock(database: Database, claims: Claims) -> None:
    """A job whose clock is an hour ahead takes records over at once; each is written once."""
    mine = taken(claims, 10)
    ahead = Claims(database, LEASE_S, FakeClock(claims._clock() + 3600).time)
    theirs = [taken(ahead, 100) for _ in range(2)]
    assert sum(len(claim.records) for claim in theirs) == 10
    assert claims.finish(mine, answers(mine)) == []
    assert not claims.renew(mine)
    for claim in theirs:
        ahead.finish(claim, answers(claim))
    assert summary(database, ahead._clock())[:4] == (0, 0, 10, 0)


def test_a_thread_renews_while_records_take_long(database: Database) -> None:
    from time import sleep

    submit(database, [Entry("a", {})])
    claims = Claims(database, 0.3)
    claim = taken(claims, 1)
    with Renewal(claims, claim):
        sleep(0.7)
        assert claims.claim(1) is None
    sleep(0.4)
    assert ids(taken(claims, 1)) == ["a"]
