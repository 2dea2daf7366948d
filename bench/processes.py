"""What processes cost, from /proc (Linux): CPU time and memory of one and all its children."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


def tree(pid: int) -> list[int]:
    """A process and all that descend from it."""
    pids = [pid]
    for one in pids:
        for task in (_PROC / str(one) / "task").iterdir():
            with contextlib.suppress(FileNotFoundError):  # a thread that ended meanwhile
                pids += map(int, (task / "children").read_text().split())
    return pids


def cpu_seconds(pid: int) -> float:
    """Processor time, user and system, of a process's tree and of its children that have ended.

    The kernel counts in steps of a hundredth of a second per process.
    """
    return sum(map(_ticks, tree(pid))) / _TICKS


def _ticks(pid: int) -> int:
    stat = (_PROC / str(pid) / "stat").read_text()
    fields = stat.rpartition(")")[2].split()  # from the third one on; the name may hold spaces
    return sum(map(int, fields[11:15]))  # utime, stime, cutime, cstime


def memory_mb(pid: int) -> float:
    """Proportional set size of a process's tree in MB (10⁶ bytes): shared pages are shared out."""
    return sum(map(_pss_kb, tree(pid))) * 1024 / 1e6


def _pss_kb(pid: int) -> int:
    for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise ValueError(f"smaps_rollup of {pid} has no Pss")
