"""The state machine, with a target that is an argument and a clock that a test moves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sluice.deploy.place import read_place
from sluice.deploy.rollout import Errors, Plan, Rollout
from sluice.errors import DeclarationError, GateFailed

PLAN = Plan((10, 50, 100), hold_s=3.0, errors=0.01, start_s=5.0)


class Killed(BaseException):
    """The process that rolls out ends here."""


class Fake:
    """A target in memory. `share` is the new version's; `calls` is all that was asked of it."""

    name, kind = "orders", "release"

    def __init__(self, old: str = "1", version: str = "2") -> None:
        self.old, self.version = old, version
        self.share, self.there, self.ended = 0, False, ""
        self.calls: list[str] = []
        self.shares: list[int] = []
        self.unready, self.wrong_at, self.kill_at = 0, 0, ""
        self.seen = Errors(0, 100)

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if name == self.kill_at:
            self.kill_at = ""
            raise Killed

    def start(self) -> None:
        self._call("start")
        self.there = True

    def waiting_for(self) -> str:
        self.unready -= 1
        return "its worker loads" if self.unready >= 0 else ""

    def golden(self) -> list[str]:
        self._call("golden")
        self.wrong_at -= 1
        return ["request 0: probability: expected 0.5, got 0.25"] if self.wrong_at == 0 else []

    def shift(self, percent: int) -> None:
        assert self.there
        self.share = percent
        self.shares.append(percent)
        self._call(f"shift {percent}")

    def errors(self) -> Errors:
        return self.seen

    def finish(self) -> None:
        self._call("finish")
        self.ended = "old"

    def abandon(self) -> None:
        self._call("abandon")
        self.share, self.ended, self.there = 0, "new", False


class Clock:
    """Monotonic seconds that pass when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.at: dict[float, Callable[[], Any]] = {}

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        for when in [w for w in self.at if w <= self.now]:
            self.at.pop(when)()


def run(fake: Fake, folder: Path, clock: Clock | None = None) -> Clock:
    clock = clock or Clock()
    Rollout(fake, PLAN, folder, (clock, clock.sleep)).run()
    return clock


def test_traffic_moves_by_the_declared_percentages(tmp_path: Path) -> None:
    fake = Fake()
    clock = run(fake, tmp_path)
    assert fake.shares == [10, 50, 100]
    assert fake.ended == "old"
    assert clock.now == pytest.approx(9.0)
    # The golden requests before any traffic, and at the end of each share.
    assert [c for c in fake.calls if "shift" not in c] == ["start", *["golden"] * 4, "finish"]
    assert fake.calls.index("golden") < fake.calls.index("shift 10")
    assert read_place(tmp_path) is None


def test_the_first_version_gets_all_at_once(tmp_path: Path) -> None:
    fake = Fake(old="")
    clock = run(fake, tmp_path)
    assert (fake.shares, clock.now) == ([100], 0.0)


@pytest.mark.parametrize("old", ["1", ""])
def test_wrong_golden_answers_get_no_traffic(tmp_path: Path, old: str) -> None:
    fake = Fake(old)
    fake.wrong_at = 1
    after = "release 1 goes on as before" if old else "nothing is served"
    with pytest.raises(GateFailed, match=f"expected 0.5, got 0.25; {after}") as failed:
        run(fake, tmp_path)
    assert failed.value.check == "golden"
    assert (fake.shares, fake.ended) == ([], "new")
    assert read_place(tmp_path) is None


def test_wrong_answers_later_put_the_old_version_back(tmp_path: Path) -> None:
    fake = Fake()
    fake.wrong_at = 3
    with pytest.raises(GateFailed, match="golden"):
        run(fake, tmp_path)
    assert (fake.shares, fake.share, fake.ended) == ([10, 50], 0, "new")


def test_a_slow_start_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    fake = Fake()
    fake.unready = 1000
    with pytest.raises(GateFailed, match="not ready after 5 s: its worker loads; release 1 goes"):
        run(fake, tmp_path)
    assert (fake.shares, fake.ended) == ([], "new")


def test_one_that_is_ready_in_time_goes_on(tmp_path: Path) -> None:
    fake = Fake()
    fake.unready = 10
    assert run(fake, tmp_path).now == pytest.approx(9.0 + 2.5)


@pytest.mark.parametrize(("failed", "refused"), [(1, False), (2, True)])
def test_errors_within_a_share_are_seen_at_once(tmp_path: Path, failed: int, refused: bool) -> None:
    fake, clock = Fake(), Clock()

    def fail() -> None:
        fake.seen = Errors(failed, 100)

    clock.at[4.0] = fail
    if not refused:
        run(fake, tmp_path, clock)
        assert fake.shares == [10, 50, 100]
        return
    with pytest.raises(GateFailed, match=r"2 of 100 requests failed, more than 0\.01 of all"):
        run(fake, tmp_path, clock)
    assert clock.now == pytest.approx(4.0)
    assert (fake.shares, fake.ended) == ([10, 50], "new")


POINTS = ["start", "golden", "shift 10", "shift 50", "shift 100", "finish"]


@pytest.mark.parametrize("point", POINTS)
def test_one_that_was_killed_is_gone_on_with(tmp_path: Path, point: str) -> None:
    fake = Fake()
    fake.kill_at = point
    with pytest.raises(Killed):
        run(fake, tmp_path)
    place = read_place(tmp_path)
    assert place is not None
    assert (place.version, place.old) == ("2", "1")
    before = fake.share
    run(fake, tmp_path)
    assert fake.ended == "old"
    assert fake.share == 100
    assert sorted(fake.shares) == fake.shares, "traffic went back"
    assert all(share >= before for share in fake.shares[-1:])


@pytest.mark.parametrize("point", POINTS)
def test_one_of_another_version_is_undone_first(tmp_path: Path, point: str) -> None:
    left = Fake()
    left.kill_at = point
    with pytest.raises(Killed):
        run(left, tmp_path)
    fake = Fake(version="3")
    run(fake, tmp_path)
    assert fake.calls[:2] == ["abandon", "start"]
    assert fake.shares == [10, 50, 100]


def test_one_that_was_killed_while_it_was_undone_begins_anew(tmp_path: Path) -> None:
    fake = Fake()
    fake.wrong_at, fake.kill_at = 2, "abandon"
    with pytest.raises(Killed):
        run(fake, tmp_path)
    place = read_place(tmp_path)
    assert place is not None
    assert (place.phase, "expected 0.5" in place.why) == ("abandon", True)
    run(fake, tmp_path)
    assert fake.shares == [10, 10, 50, 100]


def test_a_place_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rollout.json").write_text('{"format": 2}', "utf-8")
    with pytest.raises(ValueError, match="format 2"):
        run(Fake(), tmp_path)


def test_a_plan_as_it_is_declared() -> None:
    data = {"percentages": [5, 100], "hold": "1m", "errors": 0.5, "start": "10s"}
    assert Plan.parse(data, "graph.yaml") == Plan((5, 100), 60.0, 0.5, 10.0)
    assert Plan.parse({}, "graph.yaml") == Plan()


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"percentages": [50, 10, 100]}, r"rollout.percentages: \[50, 10, 100\] does not rise"),
        ({"percentages": [10, 50]}, "percentages"),
        ({"percentages": [0, 100]}, "percentages"),
        ({"percentages": [10.5, 100]}, "percentages"),
        ({"percentages": []}, "percentages"),
        ({"errors": 2.0}, "rollout.errors: 2.0 is no share"),
        ({"holt": "5s"}, "rollout.holt"),
        ({"hold": "soon"}, "rollout.hold"),
    ],
)
def test_a_plan_that_is_wrong(data: Any, problem: str) -> None:
    with pytest.raises(DeclarationError, match=problem):
        Plan.parse(data, "graph.yaml")
