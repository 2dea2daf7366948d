"""The process of the shadows: started, started again, done without, ended with its parent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from sluice.application import Application
from sluice.message import Message
from sluice.routing.comparer import Home, open_comparer
from sluice.routing.keeper import Process, Start
from sluice.routing.ring import Ring
from sluice.routing.shadow import LOST, Shadow
from sluice.routing.shadow_process import start_process
from sluice.streams import open_stream
from tests.routing.shadowing import Kept, comparer_of
from tests.serving import Client, served
from tests.tiny import ORDER, Tiny

ROOT = Path(__file__).parents[2]
CRASHES = int(os.environ.get("CRASHES", "5"))
WAIT_S = 60.0  # for a new process, on a busy machine


@pytest.fixture
def shadowed(shop: Tiny) -> Tiny:
    shop.models.promote("binary", "1", "challenger")
    declared = "{policy: champion, shadow: {versions: [challenger]}}"
    shop.edit("graphs/binary/graph.yaml", "{policy: champion}", declared)
    return shop


def events(tiny: Tiny) -> list[dict[str, object]]:
    stream = open_stream(str(tiny.root / ".sluice" / "events.log"))
    consumer = stream.consumer("test", ["tiny.binary.shadow"])
    found = consumer.poll(1000, 0.0)
    consumer.close()
    return [json.loads(record.value) for record in found]


def test_a_process_compares_and_sends(shadowed: Tiny) -> None:
    application = Application.open(shadowed.project, shadowed.parameters("binary"))
    with shadowed.service("binary", application) as service:
        service.run(Message([ORDER, ORDER], "id"))
        own = service.predict(ORDER, version="challenger")["probability"]
    assert application.shadow is not None
    assert (application.shadow.compared, application.shadow.dropped) == (2, {})
    sent = events(shadowed)
    assert [(e["id"], e["record"], e["shadows"]) for e in sent] == [
        ("id", i, {"1": [own]}) for i in range(2)
    ]


class Started:
    """Starts processes, and knows them."""

    def __init__(self, tiny: Tiny) -> None:
        self._start = partial(start_process, Home(tiny.project, "binary"))
        self.processes: list[subprocess.Popen[bytes]] = []

    def __call__(self, ring: Ring) -> Process:
        self.processes.append(self._start(ring))
        return self.processes[-1]


def test_one_that_dies_is_started_again_and_its_loss_counted(shadowed: Tiny) -> None:
    started = Started(shadowed)
    shadow = Shadow(partial(open_comparer, Home(shadowed.project, "binary")), started)
    with shadowed.service("binary", shadowed.open("binary", shadow=shadow)) as service:
        for crash in range(CRASHES):
            for number in range(20 * (crash + 1)):
                service.run(Message([ORDER], f"{crash}/{number}"))
            assert until(partial(begun, shadow, started, crash + 1))
            started.processes[crash].kill()
        assert shadow.wait(WAIT_S)
    offered = sum(20 * (crash + 1) for crash in range(CRASHES))
    assert shadow.compared + shadow.dropped.total() == offered
    assert set(shadow.dropped) <= {LOST}
    assert len(started.processes) > CRASHES
    sent = [e["id"] for e in events(shadowed)]
    assert len(sent) == len(set(sent)) >= shadow.compared


def begun(shadow: Shadow, started: Started, count: int) -> bool:
    return shadow._ring is not None and shadow._ring.began and len(started.processes) >= count


def until(holds: Callable[[], bool], every_s: float = 0.01) -> bool:
    by = time.monotonic() + WAIT_S
    while not holds() and time.monotonic() < by:
        time.sleep(every_s)
    return holds()


def refuse(ring: Ring) -> Process:
    raise BlockingIOError("none to be had")


def die(ring: Ring) -> Process:
    return subprocess.Popen([sys.executable, "-S", "-c", "raise SystemExit(3)"])


@pytest.mark.parametrize(
    ("start", "why"), [(refuse, "none to be had"), (die, "ended with status 3")]
)
def test_without_a_process_a_thread_compares(
    shadowed: Tiny, caplog: pytest.LogCaptureFixture, start: Start, why: str
) -> None:
    kept, application = Kept(), shadowed.open("binary")
    application.shadow = Shadow(partial(comparer_of, application, kept), start)
    with shadowed.service("binary", application) as service:
        service.run(Message([ORDER], "id"))
        assert application.shadow.wait(WAIT_S)
    assert [e["id"] for e in kept.events] == ["id"]
    assert caplog.text.count("shadows have no process") == caplog.text.count(why) == 1


def compared(client: Client) -> float:
    """Rows by the page of the metrics, whichever worker is asked."""
    with urllib.request.urlopen(f"{client.url}/metrics", timeout=60) as reply:
        lines = reply.read().decode().splitlines()
    name = 'sluice_shadows_total{graph="binary",outcome="compared"} '
    return sum(float(line.removeprefix(name)) for line in lines if line.startswith(name))


def test_workers_of_a_server_have_one_each(shadowed: Tiny) -> None:
    where = {"SLUICE_STATE": str(shadowed.root / ".sluice"), "PYTHONPATH": str(ROOT)}
    with served("binary", shadowed.root, "--workers", "2", **where) as client:
        for _ in range(10):
            assert client.post("/", [ORDER, ORDER]).status == 200
        # Seldom: shadows give way to whom they wait for, so also to who asks how far they are.
        assert until(lambda: compared(client) == 20, every_s=0.25)
    assert len(events(shadowed)) == 20


PROGRAM = """
import os, signal, sluice
from sluice.message import Message
service = sluice.load("binary")
shadow = service.application.shadow
start = shadow._start

def told(ring):
    process = start(ring)
    print(process.pid, flush=True)
    return process

shadow._start = told
service.run(Message([{"city": "Bonn", "time": "2024-01-04T12:30:00Z"}], "id"))
assert shadow.wait(60)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_it_ends_when_its_parent_does(shadowed: Tiny) -> None:
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=shadowed.root, capture_output=True, text=True, timeout=120, check=False,
        env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert run.returncode == -signal.SIGKILL, run.stderr
    assert until(lambda: not Path(f"/proc/{int(run.stdout)}").exists())
    assert [e["id"] for e in events(shadowed)] == ["id"]
