"""Filling a store: counts, idempotence, and kills in the midst."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import lmdb
import pandas as pd
import pytest

from sluice.errors import DeclarationError
from sluice.features.definitions import Definitions
from sluice.features.embedded import EmbeddedStore
from sluice.features.lookup import Lookup
from sluice.features.materialise import materialise
from tests.features.cases import FEATURES, ROOT, read
from tests.streams.processes import fork, join

CRASHES = int(os.environ.get("CRASHES", "5"))
GRAPH = ("project", "graph")
STATIONS = 400


def many() -> pd.DataFrame:
    """A source of 40,000 rows."""
    n = STATIONS * 100
    return pd.DataFrame(
        {
            "station": [f"S{i % STATIONS}" for i in range(n)],
            "hour": [float(i // STATIONS) for i in range(n)],
            "temp": [float(i) for i in range(n)],
            "sky": "clear",
            "calm": True,
        }
    )


def large(folder: Path) -> Definitions:
    name = "tests.features.test_materialise.many"
    return read(folder, FEATURES.replace("tests.features.cases.weather", name))


def content(folder: Path) -> list[tuple[bytes, bytes]]:
    with lmdb.open(str(folder), map_size=1 << 30) as environment, environment.begin() as reading:
        return list(reading.cursor())


def test_it_counts_rows_and_changes_nothing_the_second_time(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "store", GRAPH)
    definitions = read(tmp_path)
    assert materialise(definitions, ROOT, store, progress=False) == {
        "weather": 4, "planes": 2, "gates": 2
    }  # fmt: skip
    store.close()
    once = content(tmp_path / "store")
    store = EmbeddedStore(tmp_path / "store", GRAPH)
    materialise(definitions, ROOT, store, progress=False)
    store.close()
    assert content(tmp_path / "store") == once


def test_chosen_entities_alone_are_filled(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "store", GRAPH)
    definitions = read(tmp_path)
    done = materialise(definitions, ROOT, store, entities=["planes"], progress=False)
    assert done == {"planes": 2}
    assert store.layout("weather") is None
    with pytest.raises(DeclarationError, match=r"no entity 'plane'.*did you mean 'planes'"):
        materialise(definitions, ROOT, store, entities=["plane"])
    store.close()


def test_progress_is_shown_on_standard_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = EmbeddedStore(tmp_path / "store", GRAPH)
    materialise(read(tmp_path), ROOT, store, entities=["planes"])
    store.close()
    shown = capsys.readouterr()
    assert "planes: 100%" in shown.err
    assert not shown.out


def test_nothing_is_written_when_a_source_is_wrong(tmp_path: Path) -> None:
    wrong = read(
        tmp_path, FEATURES.replace("tests.features.cases.gates", "tests.features.cases.planes")
    )
    store = EmbeddedStore(tmp_path / "store", GRAPH)
    with pytest.raises(DeclarationError, match=r"entities\.gates\.keys\.airport: .*no column"):
        materialise(wrong, ROOT, store, progress=False)
    assert store.layout("weather") is None
    store.close()


def test_a_kill_at_any_moment_leaves_nothing_that_the_next_run_does_not_mend(
    tmp_path: Path,
) -> None:
    definitions = large(tmp_path)

    def fill() -> None:
        materialise(definitions, ROOT, store, progress=False)

    store = EmbeddedStore(tmp_path / "whole", GRAPH)
    start = time.monotonic()
    assert join(fork(fill)) == 0
    took = time.monotonic() - start
    store.close()
    chance = random.Random(2)
    for i in range(CRASHES):
        store = EmbeddedStore(tmp_path / f"store{i}", GRAPH)
        pid = fork(fill)
        time.sleep(chance.uniform(0.3, 1.0) * took)
        os.kill(pid, signal.SIGKILL)  # which may come when all is done
        join(pid)
        if store.layout("weather") is None:
            with pytest.raises(DeclarationError, match="run `sluice materialise GRAPH`"):
                Lookup(definitions, ["weather.temp"], store)
        assert join(fork(fill)) == 0
        store.close()
        assert content(tmp_path / f"store{i}") == content(tmp_path / "whole")
