"""What processes cost, where the platform tells: /proc of Linux."""

from __future__ import annotations

import contextlib
import os
import platform
import re
from pathlib import Path

_PROC = Path("/proc")


def told() -> bool:
    """Whether the platform tells."""
    return (_PROC / "self" / "smaps_rollup").is_file() and (_PROC / "self" / "stat").is_file()


def tree(pid: int) -> list[int]:
    """A process and all that descend from it."""
    pids = [pid]
    for one in pids:
        for task in (_PROC / str(one) / "task").iterdir():
            with contextlib.suppress(FileNotFoundError):  # a thread that ended meanwhile
                pids += map(int, (task / "children").read_text().split())
    return pids


def cpu_seconds(pid: int) -> float:
    """Processor time of a process, all that descend from it, and children of theirs that ended.

    User and system; the kernel counts in steps of a hundredth of a second per process.
    """
    return sum(map(_ticks, tree(pid))) / os.sysconf("SC_CLK_TCK")


def _ticks(pid: int) -> int:
    stat = (_PROC / str(pid) / "stat").read_text()
    fields = stat.rpartition(")")[2].split()  # from the third one on; the name may hold spaces
    return sum(map(int, fields[11:15]))  # utime, stime, cutime, cstime


def memory_mb(pid: int) -> float | None:
    """Memory of a process and all that descend from it, 10⁶ bytes; shared pages are shared out."""
    return sum(map(_pss_kb, tree(pid))) * 1024 / 1e6 if told() else None


def _pss_kb(pid: int) -> int:
    text = (_PROC / str(pid) / "smaps_rollup").read_text()
    found = re.search(r"^Pss:\s+(\d+)", text, re.MULTILINE)
    return int(found[1]) if found else 0


def machine() -> str:
    """What this machine is, in a few words."""
    info = _PROC / "cpuinfo"
    text = info.read_text("utf-8") if info.is_file() else ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    name = found[1] if found else platform.machine()
    return f"{os.cpu_count()} cores of {name}, {platform.system()}"
