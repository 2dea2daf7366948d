"""A graph whose features another store keeps: what it answers, and what its gate compares."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec import structs

from sluice.errors import GateFailed
from sluice.features.online import Beside
from sluice.gate import Gate
from sluice.models.manifest import Draft
from sluice.replay import REPLAY_FILE, Replay
from sluice.service import Service
from tests.features.elsewhere import FEATURES, NOON, FeastServer
from tests.models.test_add import network
from tests.several.made import Made

WANTED: dict[str, Any] = {"columns": {"x": ["drivers.rate", "drivers.trips"]}, "task": "regression"}


@pytest.fixture
def made(tmp_path: Path, feast: FeastServer) -> Made:
    """A graph that answers the sum of two features of a driver."""
    made = Made(tmp_path)
    text = FEATURES.replace("ONLINE", "feast:drivers").replace("    max_age: 2h\n", "")
    (tmp_path / "features.yaml").write_text(text, "utf-8")
    made.project = replace(made.project, settings=replace(made.project.settings, feast=feast.url))
    node = ("ReduceSum", ["x", "last"], ["y"], {"keepdims": 1})
    ends: Any = {"given": [("x", "FLOAT", 2)], "answered": [("y", "FLOAT", 1)]}
    data = network(node, **ends, constants={"last": np.array([1])})
    (tmp_path / "sum.onnx").write_bytes(data)
    return made


def test_the_gate_knows_what_the_store_no_longer_does(made: Made, feast: FeastServer) -> None:
    records = [{"driver": 1001}, {"driver": 7}]
    file = made.root / "sum.onnx"
    application, number = made.add(file, records, NOON + 60, **WANTED)
    stored = application.models.read("several", number)
    rows = Replay.load(stored.files[REPLAY_FILE]).rows
    assert [row.scores for row in rows] == [[3.5], [0.25]]
    assert stored.manifest.definitions["drivers.trips"]["online"] == "feast:drivers"
    feast.more = 5  # the newest row is another one by now
    evidence = Gate.of(made.project, application).check(number)
    assert (evidence["rows"], evidence["differ"]) == (2, {})
    application.models.promote("several", number)
    with Service.open(made.project, "several", application=application) as service:
        assert isinstance(application.features, Beside)
        before = len(feast.asked)
        answers = service.predict([*records, {"driver": 1001}])
        assert len(feast.asked) == before + 1
        assert [a["prediction"] for a in answers] == [8.5, 0.25, 8.5]
        assert answers[1]["defaults"] == {"drivers.rate": "missing", "drivers.trips": "missing"}


def test_the_gate_still_compares_what_is_made_of_it(made: Made) -> None:
    application, number = made.add(made.root / "sum.onnx", [{"driver": 1001}], NOON, **WANTED)
    stored = application.models.read("several", number)
    [row] = Replay.load(stored.files[REPLAY_FILE]).rows
    other = structs.replace(row, values={**row.values, "drivers.trips": 4.0})
    files = {**stored.files, REPLAY_FILE: Replay([other]).dump()}
    draft = Draft(**{name: getattr(stored.manifest, name) for name in Draft.__struct_fields__})
    wrong = application.models.log("several", draft, files)
    with pytest.raises(GateFailed, match="score"):
        Gate.of(made.project, application).check(wrong)
    application.close()
