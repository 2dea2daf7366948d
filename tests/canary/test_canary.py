"""A canary from start to verdict, on a store, a stream and a graph that are real."""

from __future__ import annotations

import json
import math
import os
import random
import signal
from functools import partial
from typing import Any, cast

import msgspec
import pytest

from sluice.canary.canary import Canary
from sluice.canary.run import Board
from sluice.errors import DeclarationError, GateFailed, NotFound, StoreUnavailable
from sluice.models.store import ModelStore
from tests.canary.worlds import GRAPH, Traffic, declare, driven, emit, event, opened
from tests.streams.processes import fork, join
from tests.tiny import Tiny

CRASHES = int(os.environ.get("CRASHES", "5"))
LOSS = "loss: {of: log_loss, within: 1h, labels: 20}"
LATENCY = "latency: {over_ms: 50}"


def versions(shop: Tiny) -> dict[str, str]:
    return {name: alias.version for name, alias in shop.models.aliases(GRAPH).items()}


def test_a_good_version_is_promoted_with_its_evidence(shop: Tiny) -> None:
    declare(shop, f"{LOSS}, {LATENCY}")
    canary, actions = driven(shop, Traffic(1), n=300)
    assert actions == ["advance", "promote"]
    run = canary.status().run
    assert (run.state, versions(shop)) == ("promoted", {"champion": "1", "challenger": "1"})
    move = shop.models.history(GRAPH)[-1]
    assert (move.alias, move.version, move.by) == ("champion", "1", "sluice canary")
    evidence = move.evidence["canary"]
    assert evidence["why"] == "all stages passed"
    assert set(evidence["compared"]) == {"errors", "missing", "latency", "loss"}
    assert sum(side["requests"] for side in evidence["sides"].values()) == 600
    assert [d.action for d in run.decisions] == ["start", "advance", "promote", "done"]
    assert [d.share for d in run.decisions] == [0.2, 0.5, 0.5, 0.0]
    assert canary.look().action == "nothing"


BAD = {
    "errors": {"failing": {"champion": 0.02, "challenger": 0.3}},
    "latency": {"slow": {"champion": 0.05, "challenger": 0.5}},
    "loss": {"scores": {"champion": 0.8, "challenger": 0.2}},
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_version_is_rolled_back(shop: Tiny, name: str) -> None:
    shop.models.promote(GRAPH, "2", "challenger")
    declare(shop, f"{LOSS}, {LATENCY}", stages="[{share: 0.2, requests: 2000}, {share: 0.5}]")
    canary, actions = driven(shop, Traffic(2, **BAD[name]), n=100)
    assert set(actions[:-1]) <= {"wait"}
    assert actions[-1] == "roll back"
    run = canary.status().run
    assert run.state == "rolled back"
    assert run.decisions[-1].why.startswith(f"{name}: ")
    assert versions(shop) == {"champion": "2", "challenger": "2"}
    move = shop.models.history(GRAPH)[-1]
    assert (move.action, move.alias, move.evidence["canary"]["run"]) == (
        "rollback",
        "challenger",
        1,
    )


def test_a_challenger_whose_process_dies_is_rolled_back(shop: Tiny) -> None:
    """Its requests leave no event."""
    declare(shop)
    canary = opened(shop)
    canary.start("1")
    emit(shop.project, [event(f"r{n}", "champion", 0.2) for n in range(300)])
    verdict = canary.look()
    assert (verdict.action, verdict.state) == ("roll back", "rolled back")
    assert verdict.why == (
        "missing: 0 requests of the challenger left an event, 300 of the champion: "
        "fewer than its share"
    )


def test_a_stage_has_its_requests_and_its_time(shop: Tiny) -> None:
    declare(shop, stages="[{share: 0.5, requests: 20, hold: 10m}, {share: 0.6}]")
    canary, traffic = opened(shop), Traffic(3)
    canary.start("1")
    emit(shop.project, *traffic.requests(10, 0.5))
    assert "of 20 requests" in canary.look().why
    emit(shop.project, *traffic.requests(300, 0.5))
    assert canary.look().why == "stage 1 has lasted 309 of 600 s"
    emit(shop.project, *traffic.requests(300, 0.5))
    verdict = canary.look()
    assert (verdict.action, verdict.stage, verdict.share) == ("advance", 2, 0.6)


def test_without_labels_it_waits_and_at_its_limit_goes_back(shop: Tiny) -> None:
    declare(shop, f"{LOSS}, limit: 20m", stages="[{share: 0.5, requests: 20}]")
    canary, traffic = opened(shop), Traffic(3)
    canary.start("1")
    emit(shop.project, traffic.requests(100, 0.5)[0])
    assert canary.look().why == "0 of 20 labels of the challenger have come"
    emit(shop.project, traffic.requests(1200, 0.5)[0])
    verdict = canary.look()
    assert (verdict.action, verdict.state) == ("roll back", "rolled back")
    assert verdict.why.startswith("no verdict within 1200 s: 0 of 20 labels")


def test_with_a_margin_a_promotion_needs_evidence(shop: Tiny) -> None:
    declare(shop, "errors: {margin: 0.1}", stages="[{share: 0.5, requests: 20}]")
    canary, traffic = opened(shop), Traffic(3, {"champion": 0.01, "challenger": 0.01})
    canary.start("1")
    emit(shop.project, *traffic.requests(60, 0.5))
    assert canary.look().why.startswith("errors: not worse by 0.1 has the evidence")
    emit(shop.project, *traffic.requests(600, 0.5))
    assert canary.look().action == "promote"


def test_margins_and_losses_are_told_in_the_unit_that_was_declared(shop: Tiny) -> None:
    rule = "of: log_loss, low: -4, margin: 0.5, within: 1h, labels: 20"
    declare(shop, f"loss: {{{rule}}}", stages="[{share: 0.5, requests: 20}]")
    canary, traffic = opened(shop), Traffic(3, scores={"champion": 0.8, "challenger": 0.6})
    canary.start("1")
    emit(shop.project, *traffic.requests(100, 0.5))
    verdict = canary.look()
    assert verdict.why.startswith("loss: not worse by 0.5 has the evidence")
    assert verdict.evidence["compared"]["loss"]["margin"] == 0.5
    side = verdict.evidence["sides"]["challenger"]  # a loss of −ln .6 or −ln .4
    hit, missed = -math.log(0.6), -math.log(0.4)
    hits = round((side["labels"] * missed - side["loss"]) / (missed - hit))
    assert side["loss"] == pytest.approx(hits * hit + (side["labels"] - hits) * missed)


def test_a_human_stops_it_and_it_can_begin_again(shop: Tiny) -> None:
    declare(shop)
    canary = opened(shop)
    canary.start("1")
    with pytest.raises(GateFailed, match="version 1 is on its way: sluice canary stop binary"):
        canary.start("1")
    verdict = canary.stop("ann", "the weekend")
    assert (verdict.state, verdict.share, verdict.why) == ("stopped", 0.0, "the weekend")
    with pytest.raises(GateFailed, match="nothing is under way: stopped"):
        canary.rollback("ann")
    assert canary.look().action == "nothing"
    run = canary.start("1", {"why": "again"})
    assert run.number == 2
    past = Board(shop.models, GRAPH).past(1)
    assert past is not None
    assert [d.by for d in past.decisions] == ["sluice canary", "ann"]
    assert canary.rollback("ann").state == "rolled back"


def test_who_moves_an_alias_ends_it(shop: Tiny) -> None:
    declare(shop)
    canary = opened(shop)
    canary.start("1")
    shop.models.promote(GRAPH, "1")
    verdict = canary.look()
    assert (verdict.action, verdict.state) == ("stop", "stopped")
    assert verdict.why == "the alias champion was moved to version 1"


def test_what_cannot_begin_is_named(shop: Tiny) -> None:
    canary = opened(shop)
    with pytest.raises(DeclarationError, match=r"the router's policy is champion \(policy: canary"):
        canary.start("1")
    declare(shop)
    with pytest.raises(NotFound, match="binary has no canary: sluice canary start binary VERSION"):
        canary.look()
    with pytest.raises(GateFailed, match="version 2 is the champion already"):
        canary.start("champion")
    with pytest.raises(NotFound, match="no version or alias '9'"):
        canary.start("9")
    with pytest.raises(DeclarationError):
        Canary.open(shop.project, "nothing")


class Dies(Exception):
    """As a kill would, at a change of the model store."""


class Killing:
    """A model store whose changes are counted: one of them is not made, or not returned from."""

    def __init__(self, models: Any, at: int, after: bool) -> None:
        self._models, self._left, self._after = models, at, after

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._models, name)
        if name not in ("promote", "rollback", "replace"):
            return found

        def call(*given: Any, **named: Any) -> Any:
            self._left -= 1
            if self._left == 0 and not self._after:
                raise Dies
            done = found(*given, **named)
            if self._left == 0:
                raise Dies
            return done

        return call


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", [1, 2, 3])
@pytest.mark.parametrize("good", [True, False])
def test_a_verdict_that_was_cut_short_is_carried_out_by_the_next_look(
    shop: Tiny, good: bool, at: int, after: bool
) -> None:
    """Before or after each change of the store: the end is the same, and was come to once."""
    declare(shop, stages="[{share: 0.5, requests: 30}]")
    shop.models.promote(GRAPH, "2", "challenger")
    opened(shop).start("1")
    emit(shop.project, *Traffic(1, {} if good else {"challenger": 0.9}).requests(200, 0.5))
    killed = Canary(shop.project, GRAPH, cast(ModelStore, Killing(shop.models, at, after)))
    with pytest.raises(Dies):
        killed.look()
    last = opened(shop).look()
    run = opened(shop).status().run
    assert last.state == run.state == ("promoted" if good else "rolled back")
    number = "1" if good else "2"
    assert versions(shop) == {"champion": number, "challenger": number}
    moved = [(m.action, m.alias) for m in shop.models.history(GRAPH)]
    assert moved[3:] == [("promote", "champion") if good else ("rollback", "challenger")]
    decided = ["promote" if good else "roll back", "done"]
    assert [d.action for d in run.decisions] == ["start", *decided]


def test_a_lost_state_is_counted_anew(shop: Tiny) -> None:
    declare(shop)
    canary = opened(shop)
    canary.start("1")
    emit(shop.project, *Traffic(5).requests(80, 0.2))
    canary.look()
    before = canary.status().tally
    (shop.root / ".sluice" / "canary").rename(shop.root / "gone")
    assert canary.status().tally != before
    canary.look()
    assert canary.status().tally == before


def test_a_stream_that_is_away_is_raised(shop: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    declare(shop)
    canary = opened(shop)
    canary.start("1")

    def away(_: Any) -> Any:
        raise StoreUnavailable("events: are away")

    monkeypatch.setattr("sluice.canary.reader.event_stream", away)
    with pytest.raises(StoreUnavailable):
        canary.look()


def look_and_die(shop: Tiny, after_s: float) -> None:
    signal.setitimer(signal.ITIMER_REAL, after_s)
    opened(shop).look()


def test_a_look_that_is_killed_loses_nothing_and_counts_nothing_twice(shop: Tiny) -> None:
    declare(shop, LOSS, stages="[{share: 0.5, requests: 100000}]")
    opened(shop).start("1")
    traffic, killed = Traffic(7), 0
    for crash in range(min(CRASHES, 3)):
        emit(shop.project, *traffic.requests(1500, 0.5))
        killed += join(fork(partial(look_and_die, shop, 0.05 + 0.05 * crash))) != 0
    assert killed > 0
    emit(shop.project, *traffic.requests(20, 0.5))
    opened(shop).look()
    tally = opened(shop).status().tally
    assert sum(side.requests for side in tally.sides.values()) == traffic.count
    assert sum(side.labels for side in tally.sides.values()) == traffic.count
    assert tally.counts == {"repeated": 0, "late": 0, "refused": 0, "lost": 0}


def test_evidence_is_json(shop: Tiny) -> None:
    declare(shop)
    canary = opened(shop)
    canary.start("1", {"n": random.Random(1).random()})
    data = msgspec.json.encode(canary.status().run)
    assert json.loads(data)["decisions"][0]["evidence"]["n"] > 0
