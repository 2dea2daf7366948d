"""`sluice serve` with a collector: spans of all workers, metrics of all by one; nothing if off."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("opentelemetry.proto", reason="needs the package opentelemetry-proto")

from tests.serving import served
from tests.telemetry.receiver import receiver, told, until
from tests.tiny import ORDER, Tiny

OFF = """
import sys
import sluice.protocol.surface, sluice.streaming.open, sluice.telemetry.telemetry
print(*[name for name in sys.modules if name.startswith(("opentelemetry", "google.protobuf"))])
"""


def test_served_by_two_workers(tiny: Tiny) -> None:
    with receiver() as collector:
        environ = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "SLUICE_OTLP_INTERVAL": "1",
            "SLUICE_STATE": str(tiny.root / ".sluice"),
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }
        with served("binary", tiny.root, "--workers", "2", **environ) as client:
            for _ in range(40):
                assert client.post("/", ORDER).status == 200
            until(lambda: len(collector.roots()) == 40 and bool(collector.metrics))
        pids = {told(g.resource)["process.pid"] for t in collector.traces for g in t.resource_spans}
        assert 1 <= len(pids) <= 2
        labels = (("graph", "binary"), ("status", "200"))
        until(lambda: collector.points()["sluice_requests", labels].as_double >= 40)
        instances = {
            told(g.resource)["service.instance.id"]
            for m in collector.metrics
            for g in m.resource_metrics
        }
        assert len(instances) == 1


def test_nothing_is_imported_unless_it_is_on() -> None:
    command = [sys.executable, "-c", OFF]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
