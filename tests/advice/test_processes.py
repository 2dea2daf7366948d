"""Processor time and memory of a process tree."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from sluice.advice.processes import cpu_seconds, memory_mb, told, tree

pytestmark = pytest.mark.skipif(not told(), reason="no /proc that tells")

# A parent whose first child has burnt 0.3 s and ended, and whose second holds 50 MB and waits.
PARENT = """
import subprocess, sys
burn = "import time\\nwhile time.process_time() < 0.3: pass"
hold = "held = bytearray(b'x') * 50_000_000; print(flush=True); input()"
subprocess.run([sys.executable, "-S", "-c", burn])
child = subprocess.Popen([sys.executable, "-S", "-c", hold], stdin=subprocess.PIPE)
input()
child.communicate(b"\\n")
"""


@pytest.fixture
def parent() -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", PARENT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.communicate("\n", timeout=10)


def test_children_count_also_those_that_have_ended(parent: subprocess.Popen[str]) -> None:
    assert tree(parent.pid)[0] == parent.pid
    assert len(tree(parent.pid)) == 2
    assert 0.28 <= cpu_seconds(parent.pid) < 5
    assert 50 <= (memory_mb(parent.pid) or 0) < 100
