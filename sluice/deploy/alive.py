"""Processes by pid and start time, so that a pid that was given to another is left alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path


def started(pid: int) -> str:
    """When a process was started, in the system's own units; empty when there is none."""
    if sys.platform == "linux":
        try:
            text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
        except OSError:
            return ""
        fields = text.rpartition(")")[2].split()  # a name may hold anything, even a parenthesis
        return "" if fields[0] == "Z" else fields[19]
    command = ["ps", "-o", "lstart=", "-p", str(pid)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def is_alive(pid: int, since: str) -> bool:
    """Whether the process that was started then still runs."""
    return bool(since) and started(pid) == since


def tell(pid: int, since: str, number: int = signal.SIGTERM) -> bool:
    """Signal the process that was started then; False when it is gone."""
    if sys.platform != "linux":
        if is_alive(pid, since):
            os.kill(pid, number)
            return True
        return False
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        # The handle is of one process: if it is the right one now, it is when the signal is sent.
        if not is_alive(pid, since):
            return False
        signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)
    return True
