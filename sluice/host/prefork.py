"""The parent process: starts workers, watches over them, and replaces those that die or hang.

It parses nothing and runs nothing of the function's, so little can go wrong in it. Connections
are the switchboard's.
"""

from __future__ import annotations

import gc
import os
import resource
import selectors
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable

from sluice.errors import SluiceError
from sluice.host.board import Board
from sluice.host.child import Child
from sluice.host.die_with import die_with
from sluice.host.function import check_name
from sluice.host.link import DRAIN, READY
from sluice.host.logger import Logger
from sluice.host.options import HostOptions
from sluice.host.process import main
from sluice.host.renewal import Renewal
from sluice.host.signals import SIGNALS, Signals
from sluice.host.switchboard import Switchboard
from sluice.host.worker import REFUSED

_TICK_S = 0.25
_STEADY_S = 0.1  # a worker that was ready for this long is replaced at once
_BACK_OFF_S = (0.1, 5.0)  # first and longest wait before a worker is tried again


class Prefork:
    """A host of pre-forked workers. `run` blocks until SIGTERM or SIGINT.

    Args:
        handler: "pkg.mod:name".
        options: see HostOptions.
        preload: called once before the fork; what it imports, the workers share. Not called with
            `options.reload`: what the parent has imported, no new worker would read again.
        clock: monotonic seconds, the same in every process.
    """

    def __init__(
        self,
        handler: str,
        options: HostOptions,
        preload: Callable[[], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        check_name(handler)
        self._handler, self._options, self._preload = handler, options, preload
        self._clock = clock
        self._logger = Logger(options.log_level, options.log_format, "host")
        self._board = Board(options.workers + 1, options.max_connections)  # one spare, for reload
        self._selector = selectors.DefaultSelector()
        self._children: dict[int, Child] = {}  # by worker id
        self._retry: dict[int, float] = dict.fromkeys(range(options.workers), 0.0)
        self._failures = [0] * options.workers
        self._ever_ready = False
        self._stop_by: float | None = None
        self._signals = Signals(self._selector, self._stop)
        self._renewal = Renewal(self._children, options.workers, self._start, self._logger)

    def run(self) -> None:
        """Serve until told to stop.

        Raises:
            OSError: when the address can't be listened on.
            SluiceError: when no worker comes up.
        """
        _raise_limit(2 * self._options.max_connections + 512)
        self._switchboard = Switchboard(
            self._children, self._board, self._selector, self._options, self._clock
        )
        try:
            if self._options.reload:
                self._renewal.watch(self._options.reload, self._selector)
            elif self._preload is not None:
                self._preload()
            gc.freeze()  # a collection in a worker must not touch, and so copy, shared pages
            self._signals.start()
            self._loop()
        finally:
            self._end()

    def _loop(self) -> None:
        while self._stop_by is None or self._children:
            self._start_workers()
            self._switchboard.set_accepting()
            for key, _ in self._selector.select(_TICK_S):
                key.data()
            self._reap()
            self._kill_overdue()
            self._drain()
            self._switchboard.give_waiting()

    # Workers.

    def _start_workers(self) -> None:
        if self._stop_by is None:
            now = self._clock()
            for worker_id in [i for i, at in self._retry.items() if at <= now]:
                del self._retry[worker_id]
                self._start(worker_id)
            self._renewal.step()

    def _start(self, worker_id: int) -> None:
        ours, theirs = socket.socketpair()
        self._board.begun[worker_id] = 0.0  # before the fork: afterwards they are the worker's
        self._board.explain(worker_id, "")
        sys.stdout.flush()
        sys.stderr.flush()
        parent = os.getpid()
        # A signal to the process group must not reach the new process in the parent's guise.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        pid = os.fork()
        if pid == 0:
            ours.close()
            self._become(worker_id, theirs, parent)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        theirs.close()
        ours.setblocking(False)
        child = self._children[worker_id] = Child(worker_id, pid, ours, self._clock())
        self._selector.register(ours, selectors.EVENT_READ, lambda: self._hear(child))

    def _become(self, worker_id: int, link: socket.socket, parent: int) -> None:
        """In the new process: let go of all that is the parent's, and be a worker."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            self._close()
            self._renewal.let_go()
            die_with(parent)
            code = main(self._handler, worker_id, link, self._board, self._options)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)

    def _hear(self, child: Child) -> None:
        for word in child.heard():
            if word == READY:
                self._up(child)
            else:
                self._switchboard.closed(child, word)

    def _up(self, child: Child) -> None:
        child.ready = self._clock()
        self._board.ready[child.worker_id] = 1
        took = round(child.ready - child.started, 3)
        self._logger.info_with("worker ready", worker=child.worker_id, pid=child.pid, seconds=took)
        replaced = self._renewal.up(child)
        if replaced is not None:
            self._board.ready[replaced.worker_id] = 0
            replaced.leave_by = child.ready + self._options.drain_timeout_s
        if not self._ever_ready and self._stop_by is None:
            self._ever_ready = True
            host, port = self._switchboard.listen()
            self._logger.info_with(
                "listening", host=host, port=port, workers=self._options.workers, pid=os.getpid()
            )

    def _reap(self) -> None:
        for child in list(self._children.values()):
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if pid:
                self._hear(child)  # what it said before it died
                self._gone(child, os.waitstatus_to_exitcode(status))

    def _gone(self, child: Child, code: int) -> None:
        self._selector.unregister(child.link)
        child.link.close()
        del self._children[child.worker_id]
        self._board.ready[child.worker_id] = 0
        self._board.begun[child.worker_id] = 0.0
        self._switchboard.orphaned(child)
        if self._renewal.gone(child):
            self._log_renewal(child, code)
        elif self._stop_by is None:
            self._replace(child, code)

    def _log_renewal(self, child: Child, code: int) -> None:
        worker, reason = child.worker_id, self._board.reason(child.worker_id)
        if child.ready is None and self._stop_by is None:
            self._logger.error_with(
                "reload failed, the workers go on as they were",
                worker=worker, reason=reason or "the log above says why",
            )  # fmt: skip
        else:
            self._logger.info_with("worker retired", worker=worker, pid=child.pid, exit_code=code)

    def _replace(self, child: Child, code: int) -> None:
        """Plan a new worker, the later the more often this one failed."""
        now, reason = self._clock(), self._board.reason(child.worker_id)
        if code == REFUSED and not self._ever_ready:
            raise SluiceError(reason)
        steady = child.ready is not None and now - child.ready >= _STEADY_S
        failures = 0 if steady else self._failures[child.worker_id] + 1
        self._failures[child.worker_id] = failures
        if not self._ever_ready and failures >= self._options.start_attempts:
            why = reason or "the log above says why"
            text = f"{self._handler}: no worker came up in {failures} attempts; {why}"
            raise SluiceError(text)
        first, longest = _BACK_OFF_S
        wait = min(longest, first * 2 ** (failures - 2)) if failures > 1 else 0.0
        self._retry[child.worker_id] = now + wait
        self._board.restarts += 1
        self._logger.error_with(
            "worker ended, a new one takes its place",
            worker=child.worker_id, pid=child.pid, exit_code=code, hung=child.hung, wait_s=wait,
            **({"reason": reason} if reason else {}),
        )  # fmt: skip

    def _kill_overdue(self) -> None:
        now, options = self._clock(), self._options
        for child in self._children.values():
            begun = self._board.begun[child.worker_id]
            if child.killed:
                continue
            if begun and now - begun > options.event_timeout_s:
                child.hung = True
                self._logger.error_with("event over time, worker killed", worker=child.worker_id)
                child.kill()
            elif child.ready is None and now - child.started > options.worker_start_timeout_s:
                self._logger.error_with("worker not ready in time", worker=child.worker_id)
                child.kill()
            elif now > (child.leave_by if self._stop_by is None else self._stop_by):
                child.kill()

    # The end.

    def _stop(self) -> None:
        """Drain; told a second time, end at once."""
        if self._stop_by is not None:
            self._stop_by = 0.0
            return
        self._logger.info_with("stopping", connections=len(self._switchboard))
        self._board.draining = True
        self._stop_by = self._clock() + self._options.drain_timeout_s
        self._switchboard.stop()

    def _drain(self) -> None:
        """At the stop: have each worker answer what it has, and end."""
        if self._stop_by is not None:
            for child in self._children.values():
                if child.ready is None and not child.killed:
                    child.kill()
                elif not child.draining:
                    child.draining = child.tell(DRAIN)

    def _end(self) -> None:
        """Leave nothing behind: no worker, no descriptor, no signal handler."""
        for child in self._children.values():
            child.kill()
            os.waitpid(child.pid, 0)
        self._renewal.close()
        self._signals.restore()
        self._close()

    def _close(self) -> None:
        """Let go of every descriptor; in a new worker these are the parent's copies."""
        self._switchboard.close()
        for child in self._children.values():
            child.link.close()
        self._selector.close()
        self._signals.close()


def _raise_limit(wanted: int) -> None:
    """Ask for as many descriptors as the connections need, as far as the system lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
