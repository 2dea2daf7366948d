"""A policy is taught while a time is played: by what was known then, and all of it once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sluice.errors import DeclarationError, SluiceError
from sluice.evaluation.log import records
from sluice.playback.replay import Plan, replay
from sluice.routing.decisions import read_decisions
from sluice.routing.hedge import Hedge
from sluice.routing.ledger import Credit
from sluice.routing.open import learning_policy
from sluice.routing.rewards import Decision, Earned
from sluice.routing.snapshot import Snapshot
from sluice.routing.statistics import COUNT, fields, read, total
from sluice.stores import reward_ledger
from sluice.streams import open_stream
from tests.conftest import ROOT
from tests.playback.orders import playback
from tests.playback.test_replay import answered
from tests.routing.known import Memory
from tests.tiny import Tiny

REFRESH_S = 1800.0
HEDGE = (
    "{policy: hedge, arms: [champion, challenger], eta: 0.1,"
    " forget: {bucket: 1h}, state: {refresh: 30m, max_age: 1d}}"
)


@pytest.fixture
def learns(shop: Tiny) -> Tiny:
    shop.models.promote("binary", "1", "challenger")
    graph = "graphs/binary/graph.yaml"
    shop.edit(graph, "{policy: champion}", HEDGE)
    shop.edit(graph, "training:", "playback: tests.playback.orders.playback\n      training:")
    return shop


def plan(folder: Path, day: int = 8) -> Plan:
    days = (f"2024-01-{day:02}", f"2024-01-{day + 1:02}")
    return Plan("binary", *days, folder / f"out{day}", learn=folder / "learnt", progress=False)


def credited(shop: Tiny, folder: Path) -> float:
    """How many labels the ledger knows of each member."""
    policy = learning_policy(shop.project, "binary")
    settings = replace(shop.project.settings, rewards=str(folder / "learnt" / "rewards"))
    project = replace(shop.project, settings=settings)
    with closing(reward_ledger(project, "binary", policy.memory)) as ledger:
        [known, other] = total(read(ledger.sums()), policy.forgetting).values()
    assert known[COUNT] == other[COUNT]
    return float(known[COUNT])


def due(day: int) -> int:
    """How many labels of a day are told by the time of its last question."""
    questions = playback.questions(f"2024-01-{day:02}", f"2024-01-{day + 1:02}")
    told = np.ceil(questions.known / REFRESH_S) * REFRESH_S
    return int((told <= questions.asked[-1]).sum())


def logged(folder: Path) -> list[tuple[dict[str, float], list[Decision]]]:
    """By event, the weights of the members, and the decisions."""
    with closing(open_stream(str(folder / "learnt" / "events.log"))) as stream:
        values = [record.value for record in records(stream, ["tiny.binary.events"])]
    found = []
    for value in values:
        members = json.loads(value)["sluice"]["route"]["members"]
        weights = {name: member["weight"] for name, member in members.items()}
        found.append((weights, list(read_decisions(value))))
    return sorted(found, key=lambda event: event[1][0].when)


def test_each_answer_is_by_the_labels_that_were_told_by_then(learns: Tiny, tmp_path: Path) -> None:
    replay(learns.project, plan(tmp_path))
    assert credited(learns, tmp_path) == due(8) > 150
    questions, events = playback.questions("2024-01-08", "2024-01-09"), logged(tmp_path)
    decisions = [decision for _, some in events for decision in some]
    assert [d.when for d in decisions] == questions.asked.tolist()
    told = np.ceil(questions.known / REFRESH_S) * REFRESH_S
    seen = set()
    for weights, some in events:
        expected = by_labels(learns, decisions, questions.labels, told <= some[0].when)
        assert weights == pytest.approx(expected, rel=1e-9)
        assert some[-1].when // REFRESH_S == some[0].when // REFRESH_S
        seen.add(weights["champion"])
    assert len(seen) == 10  # of five hours, each half hour


def by_labels(shop: Tiny, decisions: list[Decision], labels: Any, known: Any) -> dict[str, float]:
    """The weights by some of the labels, all of them credited at once."""
    policy, ledger = learning_policy(shop.project, "binary"), Memory()
    assert isinstance(policy, Hedge)
    for place in np.flatnonzero(known).tolist():
        decision = decisions[place]
        adds = fields(policy.sums(decision, Earned(None, int(labels[place]), (0, 1))))
        bucket = policy.forgetting.bucket(decision.when)
        assert not ledger.credit(Credit(bucket, [decision.place], adds), 60, 0.0)
    arms = {name: policy.arm(name, decisions[0].aliases) for name in policy.bounds}
    return policy.combined(arms, Snapshot(ledger.head(1.0), read(ledger.sums()))).weights


def test_windows_that_follow_each_other_learn_on(learns: Tiny, tmp_path: Path) -> None:
    for day in (8, 9):
        replay(learns.project, plan(tmp_path, day))
    assert credited(learns, tmp_path) == due(8) + due(9)


PLAY = """
import sys
from dataclasses import replace
from pathlib import Path
from sluice.playback.replay import Plan, replay
from sluice.project import Project
out, state = Path(sys.argv[1]), sys.argv[2]
project = Project.find()
project = replace(project, settings=replace(project.settings, state=state))
days = ("2024-01-08", "2024-01-09")
replay(project, Plan("binary", *days, out / "out8", learn=out / "learnt", save_every=0))
"""


def test_a_kill_changes_nothing(learns: Tiny, tmp_path: Path) -> None:
    """What is asked again knows no more than it did, and no label counts twice."""
    replay(learns.project, plan(tmp_path / "whole"))
    out = tmp_path / "killed"
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "SLUICE_PROJECT": str(learns.root)}
    command = [sys.executable, "-c", PLAY, str(out), str(learns.root / ".sluice")]
    process = subprocess.Popen(command, env=environ, cwd=ROOT, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while answered(out / "out8" / "state.npz") < 60 and time.monotonic() < end:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait(10) in (-signal.SIGKILL, 0)
    replay(learns.project, plan(out))
    files = [folder / "out8" / "outcomes.csv" for folder in (tmp_path / "whole", out)]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert credited(learns, out) == due(8)


def test_what_can_not_learn(learns: Tiny, shop: Tiny, tmp_path: Path) -> None:
    with pytest.raises(SluiceError, match="learn is without --url"):
        replay(learns.project, replace(plan(tmp_path), url="http://127.0.0.1:1"))
    shop.edit("graphs/binary/graph.yaml", HEDGE, "{policy: champion}")
    with pytest.raises(DeclarationError, match="policy champion does not learn"):
        replay(shop.project, plan(tmp_path))
