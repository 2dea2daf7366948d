"""Forked children for tests: start, and end only those that we started."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable


def fork(work: Callable[[], object]) -> int:
    """The pid of a child that runs `work` and ends with 0, or with 1 if it raised."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return pid


def join(pid: int) -> int:
    """The exit code of a child, negative if a signal ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def kill(pid: int) -> None:
    """End a child at once, whatever it is doing; it may just have ended by itself, well."""
    os.kill(pid, signal.SIGKILL)
    assert join(pid) in (-signal.SIGKILL, 0)
