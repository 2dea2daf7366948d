"""Flights asked in process, labelled late, twice or never: windows as pandas and scikit-learn have
them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from serving_graphs.flight_delay import sources
from sluice.frame import records_of
from sluice.message import Message
from sluice.project import Project
from sluice.protocol.feedback import Feedback
from sluice.service import Service
from sluice.stores import event_stream
from sluice.windows.open import opened
from sluice.windows.window import merged
from sluice.windows.windows import Windows
from tests.streams.fakes import FakeClock

GRAPH, COUNT, DAY, HORIZON = "flight-delay", 1500, 86_400.0, 7 * 86_400.0


@pytest.fixture(scope="module")
def project(flights: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The flights' project with events and windows of its own."""
    found = Project.find(flights)
    state = Path(found.path("", ""))
    settings = replace(
        found.settings,
        models=str(state / "models"),
        features=str(state / "features"),
        state=str(tmp_path_factory.mktemp("monitored")),
    )
    return replace(found, settings=settings)


def asked(project: Project) -> tuple[pd.DataFrame, dict[str, int]]:
    """Each request with what was answered, and how many defaults stood in, by feature and why."""
    table = sources.requests("2013-04-01", "2013-04-08").sample(COUNT, random_state=3)
    table = table.reset_index(drop=True)
    moments = pd.to_datetime(table["time_hour"]).astype("int64") / 1e9 - 7200.0
    answers: list[float] = []
    took: list[dict[str, float]] = []
    defaults: Counter[str] = Counter()
    with Service.open(project, GRAPH) as service:
        for place, record in enumerate(records_of(table[sources.RECORD])):
            message = Message([record], f"f{place}", float(moments[place]))
            answers.append(service.run(message)["outputs"][0]["probability"])
            took.append(dict(message.timings))
            defaults.update(f"{n} {why}" for n, why in message.defaults[0].items())
    table = table.assign(id=[f"f{i}" for i in range(COUNT)], when=moments, p=answers)
    return pd.concat([table, pd.DataFrame(took).add_prefix("step ")], axis=1), dict(defaults)


def told(project: Project, table: pd.DataFrame) -> pd.DataFrame:
    """Send labels: 5 % never, 5 % after the horizon, 10 % twice, 5 % corrected. The table with the
    label that counts, NaN where there is none."""
    rng = np.random.default_rng(4)
    kinds = rng.choice(
        ["once", "never", "late", "twice", "wrong"], COUNT, p=[0.75, 0.05, 0.05, 0.1, 0.05]
    )
    entries: list[dict[str, Any]] = []
    for id, when, late, kind in zip(table["id"], table["when"], table["late"], kinds, strict=True):
        known = when + (HORIZON + 60.0 if kind == "late" else rng.uniform(3600, DAY))
        entry = {"id": id, "label": int(late), "when": known}
        if kind == "twice":
            entries += [entry, entry]
        elif kind == "wrong":
            entries += [{**entry, "label": 1 - int(late)}, entry]
        elif kind != "never":
            entries.append(entry)
    entries.sort(key=lambda entry: entry["when"])  # stable: of one id in their order
    stream = event_stream(project)
    feedback = Feedback(stream.producer, f"{project.name}.{GRAPH}.feedback", "/flights")
    with Service.open(project, GRAPH) as service:
        live = service.application.live()
    texts = [
        {**e, "when": pd.Timestamp(e["when"], unit="s", tz="UTC").isoformat()} for e in entries
    ]
    feedback.take(texts, live, len(texts))
    stream.close()
    return table.assign(kind=kinds, label=table["late"].where(~np.isin(kinds, ["never", "late"])))


def test_windows_are_what_others_compute(project: Project) -> None:
    table, defaults = asked(project)
    table = told(project, table)
    clock = FakeClock(2e9)
    with opened(project, GRAPH, clock=clock, batch=400) as (monitor, join, _):
        consumer = join()
        monitor.run(consumer, once=True)
        consumer.close()
    with Windows.open(project, GRAPH) as windows:
        counters, [version] = windows.counters(), windows.versions()
        hours, days = windows.hours(), windows.days()
        by_origin = {s: windows.days(segment=s) for s in windows.segments()}
    kinds = table["kind"].value_counts()
    assert counters == {
        "events": COUNT, "feedback": COUNT - kinds["never"] + kinds["twice"] + kinds["wrong"],
        "labels_joined": int(table["label"].notna().sum()), "labels_late": kinds["late"],
        "labels_repeated": kinds["twice"], "labels_corrected": kinds["wrong"],
    }  # fmt: skip
    _same_traffic(hours, table, 3600)
    _same_traffic(days, table, 86_400)
    assert version == "1"
    assert set(by_origin) == {"origin=EWR", "origin=JFK", "origin=LGA"}
    for segment, found in by_origin.items():
        here = table[table["origin"] == segment.partition("=")[2]]
        _same_traffic(found, here, 86_400)
        _same_performance(found, here)
    _same_performance(days, table)
    assert sum(sum(r.values()) for w in days for r in w.defaults.values()) == sum(defaults.values())
    _same_features(days, table)


def _same_traffic(found: list[Any], table: pd.DataFrame, length: int) -> None:
    starts = (table["when"] // length * length).astype(int)
    assert {w.start: (w.requests, w.records) for w in found} == {
        start: (n, n) for start, n in starts.value_counts().items()
    }
    for window in found:
        here = table[starts == window.start]
        for name in window.steps:
            true = here[f"step {name}"].quantile(0.5, interpolation="lower") * 1e-6
            least = max(true, 1e-6)  # what took less than a microsecond is in one cell
            assert window.step(name, 50) == pytest.approx(least, rel=0.2), name


def _same_performance(found: list[Any], table: pd.DataFrame) -> None:
    """AUC within the stated error, the rest to nine digits."""
    starts = (table["when"] // 86_400 * 86_400).astype(int)
    for window in found:
        here = table[(starts == window.start) & table["label"].notna()]
        y, p = here["label"].astype(int), here["p"]
        assert window.labels == len(here)
        assert window.log_loss == pytest.approx(log_loss(y, p, labels=[0, 1]), rel=1e-8)
        assert window.brier == pytest.approx(brier_score_loss(y, p), rel=1e-8)
        assert window.accuracy == pytest.approx(((p >= 0.5) == y).mean())
        assert window.observed == pytest.approx(y.mean())
        auc = roc_auc_score(y, p)
        assert window.auc == pytest.approx(auc, abs=window.auc_error + 1e-12)
    known, week = table[table["label"].notna()], merged(found)
    assert week.auc == pytest.approx(roc_auc_score(known["label"], known["p"]), abs=0.003)
    assert week.auc_error < 0.02


def _same_features(days: list[Any], table: pd.DataFrame) -> None:
    """Each column's counts add up to the records; those of the airports are theirs."""
    starts = (table["when"] // 86_400 * 86_400).astype(int)
    for day in days:
        here = table[starts == day.start]
        assert {int(counts.sum()) for counts in day.features.values()} == {len(here)}
        origins = sorted(here["origin"].value_counts().tolist())
        assert sorted(n for n in day.features["origin"].tolist() if n) == origins
        assert {"carrier", "dest", "distance", "sched_dep_time"} < day.features.keys()
        assert [int(c.sum()) for c in day.scores] == [len(here)]
