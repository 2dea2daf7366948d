"""Off-policy evaluation: the textbook's sums, right about worlds that we know, and in doubt."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sluice.cli import main
from sluice.errors import SluiceError
from sluice.evaluation.candidate import made
from sluice.evaluation.estimators import (
    Log,
    cross_fitted,
    doubly_robust,
    doubts,
    effective_size,
    ips,
    snips,
)
from sluice.evaluation.evaluate import evaluate
from sluice.evaluation.log import Rewarded
from sluice.routing.rewards import Decision, Earned, RewardRule
from tests.routing.known import NOW
from tests.routing.test_learner import THOMPSON, ask
from tests.tiny import Tiny

ARMS = ("champion", "challenger", "third")


def log_of(n: int, seed: int, arms: int = 3) -> tuple[Log, Any]:
    """Decisions of a policy that depends on the context, rewards too; the contexts."""
    chance = np.random.default_rng(seed)
    x = np.c_[np.ones(n), chance.normal(size=(n, 2))]
    raw = np.exp(x @ chance.normal(0, 0.5, (3, arms)))
    logging = raw / raw.sum(1, keepdims=True)
    chosen = np.array([chance.choice(arms, p=p) for p in logging])
    target = chance.dirichlet(np.ones(arms), n)
    truth = x @ chance.normal(0, 0.3, (3, arms))
    rewards = truth[np.arange(n), chosen] + chance.normal(0, 0.2, n)
    log = Log(chosen, logging[np.arange(n), chosen], rewards, target)
    return log, (x, float((target * truth).sum(1).mean()))


@pytest.mark.parametrize("seed", range(5))
def test_estimates_are_the_textbooks(seed: int) -> None:
    """One decision at a time, as the papers write the sums."""
    log, (x, _) = log_of(200, seed)
    n = len(log.arms)
    w = [log.target[i][log.arms[i]] / log.propensities[i] for i in range(n)]
    terms = [w[i] * log.rewards[i] for i in range(n)]
    value = math.fsum(terms) / n
    error = math.sqrt(math.fsum((t - value) ** 2 for t in terms) / (n - 1) / n)
    found = ips(log)
    assert (found.value, found.high - found.value) == pytest.approx((value, 1.96 * error), rel=1e-4)
    ratio = math.fsum(terms) / math.fsum(w)
    spread = math.sqrt(math.fsum((w[i] * (log.rewards[i] - ratio)) ** 2 for i in range(n)))
    found = snips(log)
    interval = 1.96 * spread / math.fsum(w)
    assert (found.value, found.value - found.low) == pytest.approx((ratio, interval), rel=1e-4)
    q = cross_fitted(log, x)
    direct = [math.fsum(log.target[i][a] * q[i][a] for a in range(3)) for i in range(n)]
    robust = [direct[i] + w[i] * (log.rewards[i] - q[i][log.arms[i]]) for i in range(n)]
    assert doubly_robust(log, q).value == pytest.approx(math.fsum(robust) / n, rel=1e-12)
    size = math.fsum(w) ** 2 / math.fsum(v * v for v in w)
    assert effective_size(log.weights) == pytest.approx(size)


def test_expected_rewards_are_a_ridge_of_the_other_folds() -> None:
    log, (x, _) = log_of(60, 1)
    found = cross_fitted(log, x, folds=5, ridge=2.0)
    for i in range(0, 60, 13):
        others = [j for j in range(60) if j % 5 != i % 5]
        mean = np.mean([log.rewards[j] for j in others])
        for arm in range(3):
            a, b = 2.0 * np.eye(3), np.zeros(3)
            for j in others:
                if log.arms[j] == arm:
                    a += np.outer(x[j], x[j])
                    b += (log.rewards[j] - mean) * x[j]
            assert found[i, arm] == pytest.approx(mean + x[i] @ np.linalg.inv(a) @ b)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    inside = {"IPS": 0, "SNIPS": 0, "DR": 0}
    for seed in range(120):
        log, (x, truth) = log_of(400, 1000 + seed)
        for found in (ips(log), snips(log), doubly_robust(log, cross_fitted(log, x))):
            inside[found.name] += found.low <= truth <= found.high
    assert all(count >= 105 for count in inside.values()), inside


def test_a_log_that_tells_little_is_doubted() -> None:
    log, _ = log_of(500, 3)
    assert doubts(log) == []
    few = np.where(np.arange(500) < 3, 1e-4, log.propensities)
    rare = Log(log.arms, few, log.rewards, log.target)
    assert any("overlap is thin" in doubt for doubt in doubts(rare))
    never = Log(np.zeros(500, int), np.ones(500), log.rewards, log.target)
    [*_, text] = doubts(never)
    assert "are arms that the log never chose" in text
    nothing = Log(np.zeros(9, int), np.ones(9), np.ones(9), np.tile([0.0, 1.0], (9, 1)))
    assert math.isnan(snips(nothing).value)


def decisions(n: int, seed: int = 1, contextual: bool = False) -> list[Rewarded]:
    """The challenger earns .7, the champion .5; the third one never answers. Contextual: the
    challenger earns on positive contexts, the champion on others."""
    chance = np.random.default_rng(seed)
    found = []
    for i in range(n):
        arm = int(chance.random() < 0.3)
        x = float(chance.normal())
        mean = (0.9 if (x > 0) == bool(arm) else 0.1) if contextual else (0.5, 0.7)[arm]
        decision = Decision(
            f"r{i}/0", NOW + i, "weights", ARMS[arm], str(arm + 1), (0.7, 0.3)[arm],
            {ARMS[arm]: str(arm + 1)}, {}, (1.0, x) if contextual else (),
        )  # fmt: skip
        found.append(Rewarded(decision, Earned(float(chance.random() < mean), None, ())))
    return found


def test_what_an_alias_would_have_earned() -> None:
    found = evaluate(decisions(4000), "challenger", RewardRule())
    assert found.used == found.rewarded == found.decisions == 4000
    assert found.logged.value == pytest.approx(0.56, abs=0.03)
    for estimate in found.estimates:
        assert estimate.low < 0.7 < estimate.high
        assert estimate.value == pytest.approx(0.7, abs=0.04)
    assert found.doubts == ()
    assert found.effective == pytest.approx(1200, abs=100)


def test_shares_and_bandits_are_evaluated() -> None:
    rule, log = RewardRule(), decisions(4000)
    half = evaluate(
        log, made({"policy": "weights", "versions": {"champion": 1, "challenger": 1}}), rule
    )
    assert half.estimates[1].value == pytest.approx(0.6, abs=0.04)
    arms = ["champion", "challenger"]
    for name in ("thompson", "epsilon_greedy", "ucb1"):
        found = evaluate(log, made({"policy": name, "arms": arms}), rule)
        assert found.used == 2000
        assert found.estimates[1].value == pytest.approx(0.69, abs=0.06)


@pytest.mark.parametrize("name", ["linucb", "linear_thompson"])
def test_a_contextual_bandit_would_have_earned_more_than_any_arm(name: str) -> None:
    log = decisions(3000, contextual=True)
    params = {"policy": name, "arms": ["champion", "challenger"], "columns": {"x": {}}}
    found = evaluate(log, made(params), RewardRule())
    assert found.logged.value < 0.56
    for estimate in found.estimates:
        assert estimate.value == pytest.approx(0.87, abs=0.08)
    with pytest.raises(SluiceError, match="no context of these columns"):
        evaluate(decisions(100), made(params), RewardRule())


def test_what_cannot_be_evaluated_is_told() -> None:
    with pytest.raises(SluiceError, match="hedge chooses cannot be told from a log"):
        made({"policy": "hedge", "arms": ["champion"]})
    with pytest.raises(SluiceError, match="0 decisions have a reward: too few"):
        evaluate([], "champion", RewardRule())
    lonely = evaluate(decisions(500), "third", RewardRule())
    assert any("never chose" in doubt for doubt in lonely.doubts)


def test_the_command_reads_what_a_graph_has_logged(
    shop: Tiny, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    shop.models.promote("binary", "1", "challenger")
    shop.edit("graphs/binary/graph.yaml", "{policy: champion}", THOMPSON)
    ask(shop.project, 30)
    monkeypatch.setenv("SLUICE_PROJECT", str(shop.root))
    monkeypatch.setenv("SLUICE_STATE", str(shop.root / ".sluice"))
    assert main(["evaluate-policy", "binary", "--policy", "challenger", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["decisions"], told["rewarded"]) == (90, 90)
    assert told["logged"]["value"] == pytest.approx(2 / 3)
    assert [e["name"] for e in told["estimates"]] == ["IPS", "SNIPS", "DR"]
    assert told["estimates"][1]["value"] == pytest.approx(2 / 3, abs=0.15)
    file = tmp_path / "policy.yaml"
    file.write_text("{policy: weights, versions: {champion: 1, challenger: 3}}")
    assert main(["evaluate-policy", "binary", "--policy", str(file), "--of", "brier"]) == 0
    out = capsys.readouterr().out
    assert "90 decisions, 90 with a reward" in out
    assert "SNIPS" in out
    assert main(["evaluate-policy", "binary", "--policy", "nobody"]) == 0
    assert "warning: overlap is thin" in capsys.readouterr().out
