"""Counting in many processes, reading in one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from sluice.errors import SluiceError
from sluice.metrics import Registry, render, shared_folder
from sluice.metrics.page import Gauge
from sluice.metrics.slots import SLOTS, Slots, read_slots

CHILD = """
import os, signal, sys
from pathlib import Path
from sluice.metrics import Registry
registry = Registry(Path(sys.argv[1]))
for _ in range(1000):
    registry.count("sluice_requests", (("status", "200"),))
    registry.observe("sluice_request_seconds", 0.002)
os.kill(os.getpid(), signal.SIGKILL)
"""


def samples(page: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(page.decode())
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for f in families for s in f.samples}


def test_sums_over_processes_and_keeps_what_the_killed_counted(tmp_path: Path) -> None:
    children = [subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)]) for _ in range(3)]
    assert [c.wait() for c in children] == [-9] * 3
    Registry(tmp_path).count("sluice_requests", (("status", "422"),), by=2)
    found = samples(render(tmp_path))
    assert found["sluice_requests_total", (("status", "200"),)] == 3000
    assert found["sluice_requests_total", (("status", "422"),)] == 2
    assert found["sluice_request_seconds_count", ()] == 3000
    assert found["sluice_request_seconds_sum", ()] == pytest.approx(6)


def test_a_histogram_counts_each_value_once_at_its_bound(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    for value in (0.5, 1.0, 1.5, 2.0, 99.0):
        registry.observe("sluice_step_seconds", value, (("step", "model"),), buckets=(1, 2))
    found = samples(render(tmp_path))
    buckets = {dict(k)["le"]: v for (n, k), v in found.items() if n.endswith("_bucket")}
    assert buckets == {"1.0": 2, "2.0": 4, "+Inf": 5}


def test_gauges_and_odd_labels(tmp_path: Path) -> None:
    odd = 'a "quoted"\n\\ café'
    Registry(tmp_path).count("sluice_defaults", (("column", odd),))
    found = samples(render(tmp_path, [Gauge("sluice_workers_ready", "Workers.", 2)]))
    assert found["sluice_defaults_total", (("column", odd),)] == 1
    assert found["sluice_workers_ready", ()] == 2


def test_what_does_not_fit_is_counted_as_left_out(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    for i in range(SLOTS + 5):
        registry.count("sluice_defaults", (("column", str(i)),))
    assert registry.left_out > 0
    kept = sum(v for (n, _), v in samples(render(tmp_path)).items() if n.endswith("_total"))
    assert kept + registry.left_out == SLOTS + 5


def test_a_child_of_a_fork_counts_for_itself(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    registry.count("sluice_requests")
    child = os.fork()
    if not child:
        registry.count("sluice_requests", by=10)
        os._exit(0)
    os.waitpid(child, 0)
    registry.count("sluice_requests")
    assert samples(render(tmp_path))["sluice_requests_total", ()] == 12


def test_a_newer_format_is_refused_and_a_begun_file_skipped(tmp_path: Path) -> None:
    path = tmp_path / "1.metrics"
    slots = Slots(path)
    slots.add(1, "sluice_requests", "counter", [])
    data = bytearray(path.read_bytes())
    data[8] = 9
    path.write_bytes(data)
    with pytest.raises(SluiceError, match="metrics format 9"):
        list(read_slots(path))
    path.write_bytes(b"")
    assert list(read_slots(path)) == []


def test_one_folder_per_parent_and_none_of_the_dead(tmp_path: Path) -> None:
    gone = tmp_path / "sluice-metrics-4000000-77"
    other = tmp_path / "sluice-metrics-11-5"
    gone.mkdir()
    other.mkdir()
    times = {11: "5", 12: "8"}
    folder = shared_folder(tmp_path, parent=lambda: 12, started=times.get)
    assert folder.name == "sluice-metrics-12-8"
    assert not gone.exists()
    assert other.exists()
    assert shared_folder(tmp_path, parent=lambda: 12, started=times.get) == folder
