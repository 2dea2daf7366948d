"""What every ledger keeps: sums that are exact, marks that count once, notes that expire.

REWARDS is how many rewards four processes send twice (2,000 by default; 100,000 once).
"""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from sluice.errors import DeclarationError, StoreUnavailable
from sluice.routing.credits import credit_all
from sluice.routing.ledger import Credit, Ledger, open_ledger
from tests.servers import REGION, RedisServer, aws, let_in, name_of, shared_redis
from tests.streams.fakes import FakeClock
from tests.streams.processes import fork, join

REWARDS = int(os.environ.get("REWARDS", "2000"))
CRASHES = int(os.environ.get("CRASHES", "5"))
NOW = 1_700_000_000.0
Open = Callable[[str], Ledger]
REMOTE = ("redis", "dynamodb")


@pytest.fixture(params=["lmdb", *REMOTE])
def opens(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Open]:
    """Opens a ledger by the last part of its prefix, again and again."""
    url = str(tmp_path / "rewards")
    if request.param == "redis":
        url = shared_redis().url
    if request.param == "dynamodb":
        let_in(monkeypatch)
        url = f"dynamodb://{REGION}/rewards?endpoint={aws()}"
    opened: list[Ledger] = []

    def open_one(memory: str = "m") -> Ledger:
        opened.append(open_ledger(url, ("project", name_of(tmp_path), memory)))
        return opened[-1]

    yield open_one
    for ledger in opened:
        ledger.close()


def credit(ledger: Ledger, bucket: int, marks: list[str], **sums: int) -> list[str]:
    return sorted(ledger.credit(Credit(bucket, marks, sums), 3600, NOW))


def test_sums_grow_by_credits_and_each_mark_counts_once(opens: Open) -> None:
    ledger = opens("m")
    assert ledger.head(NOW) == (0, NOW)
    assert ledger.head(NOW + 5) == (0, NOW)
    assert ledger.sums() == {}
    assert credit(ledger, 3, ["a/0", "b/0"], **{"1:0": 5, "2:0": -7}) == []
    assert credit(ledger, 3, ["c/0", "b/0"], **{"1:0": 5}) == ["b/0"]
    assert credit(ledger, 3, ["c/0"], **{"1:0": 5, "1:1": 1 << 40}) == []
    assert credit(ledger, -4, ["b/0"], **{"1:0": 1}) == []
    whole = {-4: {"1:0": 1}, 3: {"1:0": 10, "1:1": 1 << 40, "2:0": -7}}
    assert ledger.sums() == whole
    assert ledger.head(NOW + 9).version == 3
    assert opens("m").sums() == whole
    assert opens("other").sums() == {}


def test_the_head_knows_the_last_credit(opens: Open) -> None:
    ledger = opens("m")
    ledger.head(NOW - 100)
    credit(ledger, 1, ["a/0"], **{"1:0": 1})
    assert ledger.head(NOW + 100) == (1, NOW)


def test_notes_are_kept_replaced_and_forgotten(opens: Open) -> None:
    import time

    ledger, now = opens("m"), time.time()
    ledger.head(now)
    notes = {f"request {i}/0": bytes([i]) for i in range(130)}
    ledger.keep(notes, 600, now)
    assert ledger.notes([*notes, "nobody"]) == [*notes.values(), None]
    assert ledger.notes([]) == []
    ledger.keep({"request 1/0": b"new"}, 600, now)
    ledger.forget(0, now)
    assert ledger.notes(["request 1/0", "request 2/0"]) == [b"new", b"\x02"]


def test_old_sums_are_forgotten(opens: Open) -> None:
    ledger = opens("m")
    ledger.head(NOW)
    for bucket in (-1, 0, 1, 2):
        credit(ledger, bucket, ["a/0"], **{"1:0": 1})
    ledger.forget(1, NOW)
    assert ledger.sums() == {1: {"1:0": 1}, 2: {"1:0": 1}}


def test_the_embedded_one_forgets_marks_and_notes_by_the_time(tmp_path: Path) -> None:
    with closing(open_ledger(str(tmp_path), ("p", "g", "m"))) as ledger:
        ledger.credit(Credit(1, ["a/0"], {"1:0": 1}), 60, NOW)
        ledger.keep({"a/0": b"x"}, 60, NOW)
        ledger.keep({"b/0": b"y"}, 600, NOW)
        ledger.forget(0, NOW + 59)
        assert ledger.credit(Credit(1, ["a/0"], {"1:0": 1}), 60, NOW) == ["a/0"]
        assert ledger.notes(["a/0", "b/0"]) == [b"x", b"y"]
        ledger.forget(0, NOW + 61)
        assert ledger.notes(["a/0", "b/0"]) == [None, b"y"]
        assert ledger.credit(Credit(1, ["a/0"], {"1:0": 1}), 60, NOW + 61) == []


def rewards_of(count: int) -> list[tuple[int, str, dict[str, int]]]:
    """(bucket, mark, what it adds) of each reward."""
    chance = random.Random(11)
    return [
        (i % 3, f"r{i}/0", {f"{i % 5}:0": 1 << 32, f"{i % 5}:1": chance.getrandbits(32)})
        for i in range(count)
    ]


def summed(rewards: list[tuple[int, str, dict[str, int]]]) -> dict[int, dict[str, int]]:
    sums: dict[int, dict[str, int]] = {}
    for bucket, _, adds in rewards:
        there = sums.setdefault(bucket, {})
        for field, amount in adds.items():
            there[field] = there.get(field, 0) + amount
    return sums


def work(url: str, graph: str, seed: int, acknowledged: int | None = None) -> None:
    """Credit a quarter of all rewards, sent twice in random order; tell how far it is."""
    rewards = rewards_of(REWARDS) * 2
    random.Random(3).shuffle(rewards)
    mine = rewards[seed::4]
    ledger = open_ledger(url, ("project", graph, "m"))
    for first in range(0, len(mine), 250):
        part = mine[first : first + 250]
        credit_all(ledger, [(b, m, adds) for b, m, adds in part], 3600, NOW)
        if acknowledged is not None:
            os.write(acknowledged, "".join(f"{m}\n" for _, m, _ in part).encode())
    ledger.close()


@pytest.mark.parametrize("kind", ["lmdb", "redis"])
def test_four_processes_and_every_reward_twice(kind: str, tmp_path: Path) -> None:
    url = shared_redis().url if kind == "redis" else str(tmp_path / "rewards")
    graph = name_of(tmp_path)
    pids = [fork(lambda seed=seed: work(url, graph, seed)) for seed in range(4)]  # type: ignore[misc]
    assert [join(pid) for pid in pids] == [0] * 4
    with closing(open_ledger(url, ("project", graph, "m"))) as ledger:
        assert ledger.sums() == summed(rewards_of(REWARDS))


@contextmanager
def stirred(pids: list[int]) -> Iterator[None]:
    """Children that wait for LMDB's lock look at it again every few seconds.

    Who is killed between being woken and taking the lock takes the wake-up with it, if a third one
    was faster: those that wait sleep on until two contend for the lock again. Here nobody would.
    """

    def stir(*_: object) -> None:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
            os.kill(pid, signal.SIGCONT)

    before = signal.signal(signal.SIGALRM, stir)
    signal.setitimer(signal.ITIMER_REAL, 5, 5)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("kind", ["lmdb", "redis"])
def test_a_kill_loses_nothing_that_was_acknowledged(kind: str, tmp_path: Path) -> None:
    chance = random.Random(5)
    for crash in range(CRASHES):
        url = shared_redis().url if kind == "redis" else str(tmp_path / f"rewards-{crash}")
        graph = f"{name_of(tmp_path)}-{crash}"
        reading, writing = os.pipe()
        pids = [fork(lambda seed=seed: work(url, graph, seed, writing)) for seed in range(4)]  # type: ignore[misc]  # noqa: B023
        os.close(writing)
        with os.fdopen(reading, "rb") as told:
            first = told.read(chance.randrange(1, 4000))
            os.kill(pids[0], signal.SIGKILL)
            assert join(pids[0]) in (0, -signal.SIGKILL)  # it may have been done
            with stirred(pids[1:]):
                acknowledged = (first + told.read()).decode().split("\n")
        assert [join(pid) for pid in pids[1:]] == [0] * 3
        with closing(open_ledger(url, ("project", graph, "m"))) as ledger:
            before = ledger.sums()
            known = {m for m in acknowledged if m}
            mine = [r for r in rewards_of(REWARDS) if r[1] in known]
            credit_all(ledger, mine, 3600, NOW)
            assert ledger.sums() == before
            credit_all(ledger, rewards_of(REWARDS), 3600, NOW)
            assert ledger.sums() == summed(rewards_of(REWARDS))


def test_a_redis_that_is_away_says_so_and_keeps_what_it_acknowledged() -> None:
    with (
        closing(RedisServer()) as server,
        closing(open_ledger(server.url, ("project", "away", "m"))) as ledger,
    ):
        assert credit(ledger, 1, ["a/0"], **{"1:0": 4}) == []
        server.kill()
        for ask in (lambda: ledger.head(NOW), ledger.sums, lambda: ledger.notes(["a/0"])):
            with pytest.raises(StoreUnavailable, match=r"^redis://127.0.0.1:\d+/0: "):
                ask()
        server.start()
        assert ledger.sums() == {1: {"1:0": 4}}


def test_a_dynamodb_where_others_are_always_first_is_tried_by_the_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from botocore.exceptions import ClientError

    from sluice.routing.ledger_dynamodb import DynamoLedger

    class Busy:
        def transact_write_items(self, **_: Any) -> None:
            error = {"Code": "TransactionCanceledException", "Message": ""}
            reasons = [{"Code": "TransactionConflict"}]
            raise ClientError({"Error": error, "CancellationReasons": reasons}, "Transact")

    let_in(monkeypatch)
    clock = FakeClock(0.0)
    ledger = DynamoLedger(f"dynamodb://{REGION}/rewards", ("p", "g", "m"), clock)
    ledger._clients = [Busy()]  # type: ignore[assignment]
    with pytest.raises(StoreUnavailable, match="other writers were always first"):
        credit(ledger, 1, ["a/0"], **{"1:0": 4})
    assert clock.now == pytest.approx(0.8)


def test_what_is_no_ledger_is_refused(tmp_path: Path) -> None:
    prefix = ("project", "graph", "m")
    with pytest.raises(DeclarationError, match="no ledger 'mysql'"):
        open_ledger("mysql://host", prefix)
    with pytest.raises(DeclarationError, match="is no address of Redis"):
        open_ledger("redis://host:1/a/b", prefix)
    with pytest.raises(DeclarationError, match="names no region and table"):
        open_ledger("dynamodb://region", prefix)


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    import lmdb
    import redis

    with lmdb.open(str(tmp_path)) as environment, environment.begin(write=True) as transaction:
        transaction.put(b"format", b"2")
    with pytest.raises(DeclarationError, match="format: is 2"):
        open_ledger(str(tmp_path), ("p", "g", "m"))
    with closing(redis.Redis(port=shared_redis().port)) as client:
        client.hset("sluice:{p/newer/m}:rewards:head", "format", 2)
    with (
        closing(open_ledger(shared_redis().url, ("p", "newer", "m"))) as ledger,
        pytest.raises(DeclarationError, match="is of format 2"),
    ):
        ledger.head(NOW)
