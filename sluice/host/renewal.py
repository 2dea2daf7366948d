"""Reload in development: after a change of a file, each worker is replaced by a new one.

One after the other: the new one comes up beside the old ones under a spare worker id; once it is
ready, an old one retires, and its id is the next spare. No request is dropped, since a worker that
retires leaves its connections to the others. If the new one does not come up, the old ones stay.
"""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from sluice.host.child import Child
from sluice.host.link import RETIRE
from sluice.host.logger import Logger

_WATCH = Path(__file__).with_name("watch.py")


class Renewal:
    """Replaces workers whose code has changed.

    Args:
        children: the workers by id, as the parent keeps them.
        spare: a worker id that none of them has.
        start: starts a worker under an id.
        logger: the parent's.
    """

    def __init__(
        self,
        children: Mapping[int, Child],
        spare: int,
        start: Callable[[int], None],
        logger: Logger,
    ) -> None:
        self._children, self._spare, self._start = children, spare, start
        self._logger = logger
        self._outdated: set[int] = set()
        self._coming: int | None = None
        self._leaving: int | None = None
        self._heard = b""  # of a line that has not come whole
        self._watcher: subprocess.Popen[bytes] | None = None

    def watch(self, folder: str, selector: selectors.BaseSelector) -> None:
        """Begin to watch a folder."""
        command = [sys.executable, "-P", str(_WATCH), folder]
        # In a session of its own, so that Ctrl-C does not reach it.
        self._watcher = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
        assert self._watcher.stdout is not None
        os.set_blocking(self._watcher.stdout.fileno(), False)
        selector.register(self._watcher.stdout, selectors.EVENT_READ, lambda: self._hear(selector))

    def _hear(self, selector: selectors.BaseSelector) -> None:
        assert self._watcher is not None
        assert self._watcher.stdout is not None
        data = os.read(self._watcher.stdout.fileno(), 65536)
        if not data:
            selector.unregister(self._watcher.stdout)
            self._logger.error_with("changes of files are not seen any longer")
        *lines, self._heard = (self._heard + data).split(b"\n")
        for line in lines:
            if line == b"watching":
                self._logger.info_with("watching for changes")
            else:
                self.changed(line.decode().split())

    def changed(self, files: list[str]) -> None:
        """Files have changed: what runs now is outdated."""
        self._logger.info_with("reload", files=files[:5])
        self._outdated = set(self._children)

    def step(self) -> None:
        """Start the next new worker, when it is its turn; tell the old one to go."""
        if self._leaving is not None:
            child = self._children[self._leaving]
            child.retiring = child.retiring or child.tell(RETIRE)
        elif self._coming is None and self._outdated:
            self._coming = self._spare
            self._start(self._spare)

    def up(self, child: Child) -> Child | None:
        """A worker is ready; the one that has to go for it, if any."""
        if child.worker_id != self._coming:
            return None
        self._coming = None
        self._leaving = min(self._outdated - {child.worker_id}, default=child.worker_id)
        self._outdated.discard(self._leaving)
        return self._children[self._leaving]

    def gone(self, child: Child) -> bool:
        """A worker has ended; whether that is all right, and none takes its place."""
        if child.worker_id == self._leaving:
            self._spare, self._leaving = child.worker_id, None
            return True
        if child.worker_id == self._coming:
            self._coming = None
            self._outdated.clear()
            return True
        self._outdated.discard(child.worker_id)
        return False

    def close(self) -> None:
        """End the watcher."""
        if self._watcher is not None:
            self._watcher.terminate()
            self._watcher.communicate()

    def let_go(self) -> None:
        """In a new worker: the watcher is the parent's."""
        if self._watcher is not None and self._watcher.stdout is not None:
            self._watcher.stdout.close()
            self._watcher.returncode = 0  # so that its end is not waited for, or warned of
