"""The steps of a graph on a stream, each as a process of its own, on this machine."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from functools import partial

from sluice.errors import SluiceError
from sluice.host.die_with import die_with
from sluice.streaming.backoff import Backoff
from sluice.streams import Clock

log = logging.getLogger("sluice.stream")
_TICK_S = 0.1
_STEADY_S = 10.0  # one that ran for so long is started again at once


class Line:
    """A process per step; one that dies is started again, after pauses that grow.

    Args:
        commands: of each process, by the step.
        clock: for all that waits.
    """

    def __init__(self, commands: Mapping[str, Sequence[str]], clock: Clock) -> None:
        self._commands, self._clock = commands, clock
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._begun: dict[str, float] = {}
        self._again: dict[str, float] = {}
        self._backoff = {step: Backoff(first=0.2, seed=os.getpid()) for step in commands}
        self._stopped = False

    def stop(self) -> None:
        """End; a signal's handler may call it."""
        self._stopped = True

    def run(self) -> None:
        """Have all of them run until `stop`; then each ends after what it has in hand.

        Raises SluiceError where one says by its exit status that it can not work.
        """
        for step in self._commands:
            self._start(step)
        try:
            while not self._stopped:
                self._look()
                self._clock.sleep(_TICK_S)
        finally:
            for process in self._processes.values():
                process.terminate()
            for process in self._processes.values():
                process.wait()

    def _start(self, step: str) -> None:
        self._begun[step] = self._clock.monotonic()
        self._processes[step] = subprocess.Popen(
            self._commands[step],
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for us, and we tell them
            preexec_fn=partial(die_with, os.getpid(), signal.SIGTERM),  # noqa: PLW1509 (no threads)
        )

    def _look(self) -> None:
        """Notice who has ended; start again whose pause is over."""
        now = self._clock.monotonic()
        for step, process in list(self._processes.items()):
            code = process.poll()
            if code is not None:
                del self._processes[step]
                self._again[step] = now + self._pause(step, code, now - self._begun[step])
        for step in [s for s, at in self._again.items() if at <= now]:
            del self._again[step]
            self._start(step)

    def _pause(self, step: str, code: int, lived_s: float) -> float:
        if lived_s >= _STEADY_S:
            self._backoff[step].reset()
            return 0.0
        if code > 0:  # it said what is wrong; a signal has none
            raise SluiceError(f"step {step} ended with exit status {code}; the log says why")
        pause = self._backoff[step].next()
        log.warning("step %s ended by signal %d: started again in %.1f s", step, -code, pause)
        return pause
