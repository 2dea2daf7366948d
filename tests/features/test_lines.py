"""Events in files: positions, broken lines, and kills in the midst."""

from __future__ import annotations

import io
import json
import os
import random
import signal
import time
from functools import partial
from pathlib import Path
from typing import Any

import lmdb
import pytest

from sluice.errors import SluiceError
from sluice.features.embedded import EmbeddedStore
from sluice.features.ingest import Ingest
from sluice.features.lines import EventFile, Total, run_pipe
from sluice.features.progress import Progress, read_progress
from tests.features import delays
from tests.features.delays import departure
from tests.streams.processes import fork, join

CRASHES = int(os.environ.get("CRASHES", "5"))
GRAPH = ("project", "graph")


def write(file: Path, events: list[Any], end: str = "\n") -> Path:
    file.write_text("\n".join(json.dumps(e) for e in events) + end, "utf-8")
    return file


def ingest(file: Path, folder: Path, from_start: bool = False) -> Total:
    """One run over a file, to its end."""
    store = EmbeddedStore(folder / "store", GRAPH)
    events = EventFile(file, store, from_start)
    total = Total()
    for so_far, _ in events.run(Ingest(delays.declared(folder), store)):
        total = so_far
    events.close()
    store.close()
    return total


def content(folder: Path) -> list[tuple[bytes, bytes]]:
    with lmdb.open(str(folder), map_size=1 << 30) as environment, environment.begin() as reading:
        return list(reading.cursor())


def test_the_next_run_goes_on_where_the_last_one_was(tmp_path: Path) -> None:
    file = write(tmp_path / "events", [departure(f"{i}", i / 4) for i in range(8)])
    assert ingest(file, tmp_path) == Total(accepted=8)
    assert ingest(file, tmp_path) == Total()
    with file.open("a") as more:
        more.write(json.dumps(departure("8", 3.0)) + "\n")
    assert ingest(file, tmp_path) == Total(accepted=1)
    assert ingest(file, tmp_path, from_start=True) == Total(duplicates=9)


def test_another_file_of_that_name_is_read_from_its_beginning(tmp_path: Path) -> None:
    file = write(tmp_path / "events", [departure(f"{i}", i / 4) for i in range(8)])
    ingest(file, tmp_path)
    write(file, [departure(f"new {i}", i / 4) for i in range(9)])
    assert ingest(file, tmp_path) == Total(accepted=9)


def test_lines_that_are_no_events_are_told_by_their_numbers(tmp_path: Path) -> None:
    lines = ["", json.dumps(departure("a", 1.0)), "{broken", "", json.dumps({"type": "x"}), ""]
    file = tmp_path / "events"
    file.write_text("\n".join(lines), "utf-8")
    total = ingest(file, tmp_path)
    assert (total.accepted, total.refused) == (1, 2)
    assert total.reasons[0].startswith("line 3: expected an object with type, id and data, found")
    assert total.reasons[1].startswith("line 5: type: no events are called 'x'; allowed: depar")


def test_a_line_that_is_not_whole_yet_is_read_again(tmp_path: Path) -> None:
    events = [departure("a", 1.0), departure("b", 2.0)]
    file = write(tmp_path / "events", events, end="")
    whole = file.read_text()
    file.write_text(whole[:-5])
    assert ingest(file, tmp_path).reasons == ["line 2: ends in the middle"]
    file.write_text(whole)
    assert ingest(file, tmp_path) == Total(accepted=1)
    assert ingest(file, tmp_path) == Total()


def test_a_pipe_is_taken_as_it_comes(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "store", GRAPH)
    text = "".join(json.dumps(departure(f"{i}", 1.0)) + "\n" for i in (1, 2, 1)) + "x"
    totals = list(run_pipe(io.BytesIO(text.encode()), Ingest(delays.declared(tmp_path), store)))
    assert totals[-1][1] == len(text)
    assert vars(totals[-1][0]) | {"reasons": []} == vars(Total(2, 1, 0, 1))
    store.close()


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SluiceError, match="nowhere: No such file"):
        ingest(tmp_path / "nowhere", tmp_path)


def states(folder: Path) -> Progress:
    store = EmbeddedStore(folder, GRAPH)
    progress = read_progress(store, "departure")
    store.close()
    return progress


def many(n: int) -> list[Any]:
    """Events out of order, some late, some twice, some broken."""
    chance = random.Random(5)
    events = []
    for i in range(n):
        at = i / 20 - chance.choice([0, 0, 1, 5, 12])
        fields = {"delay": chance.choice([0.1, 0.7, 30, None]), "gate": chance.choice([1, 2])}
        events.append(departure(f"{i}", max(at, 0.0), "JFK", **fields))
        events += events[-1:] if i % 11 == 0 else []
    return [*events, {"type": "departure", "id": "bad", "data": {}}]


def test_kill_at_any_moment_and_the_aggregates_end_as_without(tmp_path: Path) -> None:
    file = write(tmp_path / "events", many(4000))
    whole = tmp_path / "whole"
    whole.mkdir()
    began = time.monotonic()
    assert join(fork(lambda: ingest(file, whole))) == 0
    took, chance = time.monotonic() - began, random.Random(7)
    for crash in range(0, CRASHES, 3):
        broken = tmp_path / f"broken{crash}"
        broken.mkdir()
        run = partial(ingest, file, broken)
        for _ in range(min(3, CRASHES - crash)):
            pid = fork(run)
            time.sleep(chance.uniform(0.0, 0.5) * took)
            os.kill(pid, signal.SIGKILL)  # which may come when all is done
            join(pid)
        assert join(fork(run)) == 0
        assert content(broken / "store") == content(whole / "store")
    total = ingest(file, whole, from_start=True)
    assert total.refused == 1
    assert total.accepted == 0
    progress = states(whole / "store")
    assert min(progress.accepted, progress.late) > 100
    assert progress.refused == 2
