"""What is told of a policy: by the ledger, and drawn from the log."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sluice.cli import main
from sluice.evaluation.log import Rewarded
from sluice.evaluation.timeline import draw, timeline
from sluice.routing.rewards import Decision, Earned, RewardRule
from sluice.routing.status import status
from tests.evaluation.test_evaluation import decisions
from tests.routing.known import NOW, World
from tests.routing.test_aggregation import ALIASES, label, world
from tests.routing.test_learner import THOMPSON, ask, learn
from tests.tiny import Tiny

ARMS = ["champion", "challenger"]


def test_each_arm_has_its_rewards_and_its_share() -> None:
    made = World("thompson", {"arms": [*ARMS, "third"], "warm_start": 0})
    made.earn("champion", 1.0, 0.0)
    made.earn("challenger", *[1.0] * 8)
    found = status(made.policy, made.ledger, made.live.aliases, NOW)
    champion, challenger, third = found.arms
    assert (champion.rewards, champion.mean, champion.version) == (2.0, 0.5, "1")
    assert champion.error == pytest.approx(0.5 / 2**0.5)
    assert challenger.mean == 1.0
    assert (third.version, third.rewards, third.mean, third.share) == (None, 0.0, None, 0.0)
    assert champion.share is not None
    assert challenger.share is not None
    assert champion.share + challenger.share == pytest.approx(1)
    assert (found.policy, found.credits) == ("thompson", 10)


def test_differences_and_weights_are_told() -> None:
    made = World("thompson", {"arms": ARMS, "reward": {"of": "brier", "relative": True}})
    assert status(made.policy, made.ledger, made.live.aliases, NOW).arms[0].mean is None
    hedge = world("hedge", eta=1.0)
    for place in range(9):
        label(hedge, f"r{place}/0", {"champion": 0.5, "challenger": 0.9, "third": 0.1}, 1, NOW)
    shares = [arm.share or 0 for arm in status(hedge.policy, hedge.ledger, ALIASES, NOW).arms]
    assert sum(shares) == pytest.approx(1)
    assert shares[1] > 0.7


def test_a_share_that_depends_on_the_request_is_none() -> None:
    made = World("linucb", {"arms": ARMS, "columns": {"visits": {}}})
    found = status(made.policy, made.ledger, made.live.aliases, NOW)
    assert [arm.share for arm in found.arms] == [None, None]


def test_a_timeline_counts_every_decision_once() -> None:
    line = timeline(decisions(500), RewardRule(), bins=7)
    assert line.traffic.sum() == 500
    means = np.nansum(line.rewards * line.traffic, 1) / line.traffic.sum(1)
    assert line.arms == ["challenger", "champion"]
    assert means == pytest.approx([0.7, 0.5], abs=0.08)
    with pytest.raises(ValueError, match="no decision"):
        timeline([], RewardRule())


def test_of_members_that_answer_together_weights_and_losses_are_drawn(tmp_path: Path) -> None:
    weights, aliases = {"champion": 0.25, "challenger": 0.75}, {"champion": "1", "challenger": "2"}
    scores = {"1": [0.5], "2": [0.9]}
    found = [
        Rewarded(
            Decision(
                f"{i}/0", NOW + i, "hedge", "champion", "1+2", 1.0, aliases, scores, weights=weights
            ),
            Earned(None, 1, (0, 1)) if i % 2 else None,
        )
        for i in range(20)
    ]
    line = timeline(found, RewardRule("brier"), bins=2)
    assert line.together
    assert line.decisions.tolist() == [10, 10]
    assert dict(zip(line.arms, (line.traffic / line.decisions).tolist(), strict=True)) == {
        "challenger": [0.75, 0.75],
        "champion": [0.25, 0.25],
    }
    assert line.rewards == pytest.approx(np.array([[0.99, 0.99], [0.75, 0.75]]))
    draw(line, "hedge", tmp_path / "hedge.png")
    assert (tmp_path / "hedge.png").stat().st_size > 1000


def test_the_command_prints_and_draws(
    shop: Tiny, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    shop.models.promote("binary", "1", "challenger")
    shop.edit("graphs/binary/graph.yaml", "{policy: champion}", THOMPSON)
    monkeypatch.setenv("SLUICE_PROJECT", str(shop.root))
    monkeypatch.setenv("SLUICE_STATE", str(shop.root / ".sluice"))
    picture = tmp_path / "router.png"
    assert main(["router", "status", "binary", "--plot", str(picture)]) == 1
    assert "nothing to draw" in capsys.readouterr().err
    ask(shop.project, 20)
    learn(shop.project)
    assert main(["router", "status", "binary", "--plot", str(picture)]) == 0
    out = capsys.readouterr().out
    assert "thompson: " in out
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert main(["router", "status", "binary", "--json"]) == 0
    assert sum(arm["rewards"] for arm in json.loads(capsys.readouterr().out)["arms"]) == 60
    assert main(["learn", "binary", "--once"]) == 0
    assert "credited 0, repeated 0" in capsys.readouterr().out
