"""The learner: labels in any order, twice, late, wrong; snapshots by the labels' time."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sluice.correction.asked import read_asked
from sluice.correction.copies import Copies
from sluice.correction.shelf import Control, Shelf
from sluice.correction.snapshot import Snapshot, read_snapshot
from sluice.correction.status import freeze, reset, status, thaw
from sluice.errors import StoreUnavailable
from sluice.routing.decisions import read_decisions, read_feedback
from sluice.routing.ledger import Ledger
from sluice.routing.ledger_lmdb import LmdbLedger
from sluice.streams import Record
from tests.correction.known import HOUR, T0, event, label, learner_of, plan_of, story
from tests.routing.known import Clock, Memory

CRASHES = int(os.environ.get("CRASHES", "5"))


def all_of(ledger: Ledger, keep: int = 200) -> dict[int, Snapshot]:
    shelf = Shelf(ledger, keep)
    newest, _ = shelf.look()
    return shelf.read(shelf.kept(newest.number))


def test_snapshots_are_of_the_labels_known_before_their_time() -> None:
    ledger, plan = Memory(), plan_of()
    learner_of(plan, ledger).take(story(400))
    made = all_of(ledger)
    assert list(made) == list(range(1, len(made) + 1))
    times = [snapshot.time for snapshot in made.values()]
    assert all(time % HOUR == 0 for time in times)
    assert made[1].versions == {}
    labels = [read_feedback(r.value) for r in story(400) if r.topic == "feedback"]
    for number, snapshot in made.items():
        known = [entry for entry in labels if entry.when.timestamp() < snapshot.time]
        if number > 1:
            assert snapshot.versions["1"].labels == len(known)


@pytest.mark.parametrize("at_once", [1, 7, 1000])
def test_however_it_is_cut_and_however_often_it_comes_it_is_the_same(at_once: int) -> None:
    plan, whole, cut = plan_of(), Memory(), Memory()
    learner_of(plan, whole).take(story(200))
    records = story(200)
    for first in range(0, len(records), at_once):
        part = records[first : first + at_once]
        learner_of(plan, cut).take(part)
        learner_of(plan, cut).take(part)
    assert cut.sums() == whole.sums()
    assert all_of(cut) == all_of(whole)


def test_labels_before_their_questions_count_too() -> None:
    plan, whole, mixed = plan_of(), Memory(), Memory()
    learner_of(plan, whole).take(story(50))
    records = story(50)
    random.Random(3).shuffle(records)
    learner = learner_of(plan, mixed)
    for record in records:
        learner.take([record])
    assert mixed.sums() == whole.sums()
    assert learner.counts["credited"] == 50


LATE = T0 + 8 * 24 * HOUR


@pytest.mark.parametrize(
    ("told", "counted", "why"),
    [
        (label("r", T0 + HOUR, 7), "refused", "none of the model's classes"),
        (label("r", T0 + HOUR, None, reward=1.0), "", ""),
        (label("r", LATE, 1), "late", ""),
        (label("r", T0 + 99 * HOUR, 1, received="2013-04-01T01:00:00Z"), "refused", "not yet"),
        (label("r", T0 - 99 * HOUR, 1), "credited", ""),
    ],
)
def test_what_can_be_learnt_from(
    told: Record, counted: str, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    learner = learner_of(plan_of(), Memory())
    learner.take([event("r", T0, 0.4, "Bonn"), told])
    assert +learner.counts == ({counted: 1} if counted else {})
    assert why in caplog.text


def test_a_label_of_the_future_holds_nothing_up() -> None:
    """It would put up a snapshot of a time at which nobody asks yet, and none before it."""
    ledger = Memory()
    learner = learner_of(plan_of(), ledger)
    absurd = label("a", T0 + 1e9, 1, received="2013-04-01T01:00:00Z")
    learner.take([event("a", T0, 0.4, "Bonn"), absurd])
    assert all_of(ledger) == {}


def test_a_ledger_that_is_away_is_raised_and_what_comes_again_counts() -> None:
    ledger = Memory()
    learner = learner_of(plan_of(), ledger)
    ledger.away = True
    with pytest.raises(StoreUnavailable):
        learner.take(story(10))
    ledger.away = False
    learner.take(story(10))
    assert learner.counts["credited"] == 10


def test_it_is_judged_by_the_snapshot_that_was_used() -> None:
    ledger, plan = Memory(), plan_of(least=20, window="1d", half_life="1d", margin=0)
    learner = learner_of(plan, ledger)
    learner.take([event(f"a{i}", T0, 0.5, "Bonn") for i in range(100)])
    learner.take([label(f"a{i}", T0 + 60, 1) for i in range(100)])
    learner.take([event(f"b{i}", T0 + 2 * HOUR, 0.5, "Bonn", version=2) for i in range(30)])
    learner.take([label(f"b{i}", T0 + 2 * HOUR, 0) for i in range(30)])  # it was wrong
    learner.take([event("c", T0 + 4 * HOUR, 0.5, "Bonn"), label("c", T0 + 4 * HOUR, 0)])
    newest = all_of(ledger)[3].versions["1"]
    assert (newest.judged, newest.off) == (30, True)
    assert newest.corrected > newest.without
    [known] = status(plan, ledger, T0).versions
    assert (known.labels, known.judged, known.off) == (131, 30, True)
    assert known.largest == {"city Bonn": newest.effects["city"]["Bonn"]}


def copies_of(ledger: Memory, **params: Any) -> Copies:
    copies = Copies(lambda: ledger, plan_of(**params), clock=Clock())
    copies.refresh()
    return copies


def test_copies_have_what_is_kept() -> None:
    ledger = Memory()
    learner_of(plan_of(keep=3), ledger).take(story(100))
    copies = copies_of(ledger, keep=3)
    newest = Shelf(ledger, 3).look()[0]
    assert [s.number for s in copies.known.snapshots] == [
        newest.number - 2, newest.number - 1, newest.number,
    ]  # fmt: skip
    assert copies.known.at(newest.time - 10 * HOUR) is None
    before = copies.known
    copies.refresh()
    assert copies.known is before


def test_freezing_thawing_and_forgetting() -> None:
    ledger, plan = Memory(), plan_of()
    records = story(200)
    half = len(records) // 2
    learner = learner_of(plan, ledger)
    assert freeze(plan, ledger, T0) == 0
    learner.take(records[:half])
    number = freeze(plan, ledger, T0)
    learner.take(records[half:])
    copies = copies_of(ledger)
    assert [s.number for s in copies.known.snapshots] == list(range(1, number + 1))
    assert copies.known.held
    told = status(plan, ledger, T0)
    assert (told.snapshot, told.held, told.versions[0].labels) == (number, True, 200)
    thaw(plan, ledger, T0)
    later = [event("z", T0 + 31 * HOUR, 0.5, "Bonn"), label("z", T0 + 31 * HOUR, 1)]
    learner.take(later)
    copies.refresh()
    assert copies.known.snapshots[-1].versions["1"].labels == 200
    assert not copies.known.held
    reset(plan, ledger, T0)
    copies.refresh()
    assert copies.known.snapshots == []
    assert status(plan, ledger, T0).versions == []
    learner.take([event("y", T0 + 33 * HOUR, 0.5, "Bonn"), label("y", T0 + 33 * HOUR, 1)])
    learner.take([event("x", T0 + 35 * HOUR, 0.5, "Bonn"), label("x", T0 + 35 * HOUR, 1)])
    copies.refresh()
    assert copies.known.snapshots[-1].versions["1"].labels == 1
    assert learner.counts["credited"] == 203


def test_a_ledger_that_is_away_leaves_what_is_known() -> None:
    ledger, clock = Memory(), Clock()
    learner_of(plan_of(), ledger).take(story(50))
    copies = Copies(lambda: ledger, plan_of(), clock=clock)
    copies.refresh()
    assert copies.fresh
    ledger.away = True
    clock.now += 61
    copies.refresh()
    assert not copies.fresh
    assert copies.known.snapshots


def test_newer_formats_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="is of format 2"):
        read_snapshot(b'{"format":2}')
    ledger = Memory()
    ledger.keep({"control": b'{"format":2}'}, 1, 1)
    with pytest.raises(ValueError, match="is of format 2"):
        Shelf(ledger, 3).look()
    assert copies_of(ledger).known.snapshots == []
    Shelf(Memory(), 3).control(Control(), T0)


def test_events_without_a_correction_tell_of_none() -> None:
    plain = event("r", T0, 0.5, "Bonn").value.replace(b'"correction"', b'"other"')
    assert list(read_asked(plain, ["city"])) == []
    [one] = read_asked(event("r", T0, 0.5, "Bonn").value, ["city", "absent"])
    assert (one.place, one.at, one.score, one.values) == ("r/0", T0, 0.5, ("Bonn", None))


def test_versions_are_compared_by_what_they_said_themselves() -> None:
    """A canary or a policy that learns sees no correction."""
    moved = event("r", T0, 0.5, "Bonn", **{"from": 0.25})
    columns = moved.value.replace(b'"label"]', b'"correction.from"]').replace(
        b"[[0.5,0]]", b"[[0.5,0.25]]"
    )
    columns = columns.replace(b'"correction":', b'"other":')
    plain = moved.value.replace(b'"correction"', b'"other"')
    found = [read_decisions(value)[0].scores for value in (moved.value, columns, plain)]
    assert found == [{"1": [0.25]}, {"1": [0.25]}, {"1": [0.5]}]


CHILD = """
import sys
from pathlib import Path
from sluice.routing.ledger_lmdb import LmdbLedger
from tests.correction.known import learner_of, plan_of, story
ledger = LmdbLedger(Path(sys.argv[1]), ("p", "g", "m"))
done = Path(sys.argv[2])
records, plan = story(150), plan_of()
learner = learner_of(plan, ledger)
first = int(done.read_text()) if done.exists() else 0
for place in range(first, len(records), 10):
    learner.take(records[place : place + 10])
    print(place, flush=True)
    done.write_text(str(place + 10))
"""


def test_kills_change_nothing(tmp_path: Path) -> None:
    """What was read before a kill comes again, from wherever the reader's place was noted."""
    whole = Memory()
    learner_of(plan_of(), whole).take(story(150))
    chance, done = random.Random(9), tmp_path / "done"
    command = [sys.executable, "-c", CHILD, str(tmp_path / "ledger"), str(done)]
    for _ in range(CRASHES):
        with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            for _ in range(chance.randint(1, 8)):
                child.stdout.readline()
            child.send_signal(signal.SIGKILL)
        if done.exists() and done.read_text():
            place = max(0, int(done.read_text()) - chance.choice((0, 10, 50)))
            done.write_text(str(place))
        else:
            done.unlink(missing_ok=True)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    ledger = LmdbLedger(tmp_path / "ledger", ("p", "g", "m"))
    assert ledger.sums() == whole.sums()
    assert all_of(ledger) == all_of(whole)
    ledger.close()
