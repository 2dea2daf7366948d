"""The parent process: accepts connections, hands them to workers, and stands in for dead ones.

It parses nothing and answers nothing by itself, so little can go wrong in it. It keeps a
duplicate of each connection's descriptor. When a worker dies, or is killed because it hangs, the
board says what had become of each of its connections:

- nothing read, or the bytes are on the board, and no event begun: another worker goes on with it;
- the handler had the request: 503, or 504 when it ran over time; then the connection is closed;
- bytes were read that are with the dead worker only (more than 16 KiB of a request that was not
  complete, or requests sent ahead of the reply to an earlier one): 503 with Retry-After;
- some of the reply may be out: the connection is closed.
"""

from __future__ import annotations

import gc
import os
import selectors
import signal
import socket
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable

from sluice.errors import SluiceError
from sluice.host.board import BEGUN, IDLE, KEPT, TAKEN, Board
from sluice.host.child import Child
from sluice.host.function import check_name
from sluice.host.link import DRAIN, READY
from sluice.host.logger import Logger
from sluice.host.options import HostOptions
from sluice.host.response import Reply, error
from sluice.host.wire import encode
from sluice.host.worker import die_with, main

_TICK_S = 0.25
_STUCK_S = 0.1  # a worker this long at one event gets new connections only when all are
_STEADY_S = 1.0  # a worker that lived this long is replaced at once
_BACK_OFF_S = (0.1, 5.0)  # first and longest wait before a worker is tried again
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)

_KILLED = error(503, "the worker died while it had this request", {"Retry-After": "1"})
_NOT_BEGUN = error(503, "the worker died before it began this request", {"Retry-After": "1"})


class Prefork:
    """A host of pre-forked workers. `run` blocks until SIGTERM or SIGINT.

    Args:
        handler: "pkg.mod:name".
        options: see HostOptions.
        preload: called once before the fork; what it imports, the workers share.
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
        self._board = Board(options.workers, options.max_connections)
        self._selector = selectors.DefaultSelector()
        self._free = list(range(options.max_connections))
        self._sockets: dict[int, socket.socket] = {}
        self._waiting: deque[int] = deque()  # connections that no worker has
        self._children: dict[int, Child] = {}  # by worker id
        self._retry: dict[int, float] = dict.fromkeys(range(options.workers), 0.0)
        self._failures = [0] * options.workers
        self._ever_ready = self._accepting = False
        self._stop_by: float | None = None
        self._signals = 0

    def run(self) -> None:
        """Serve until told to stop.

        Raises:
            OSError: when the address can't be listened on.
            SluiceError: when no worker comes up.
        """
        self._listener = _listen(self._options)
        try:
            if self._preload is not None:
                self._preload()
            gc.freeze()  # a collection in a worker must not touch, and so copy, shared pages
            self._watch_signals()
            self._loop()
        finally:
            self._close()

    def _loop(self) -> None:
        while self._stop_by is None or self._children or self._waiting:
            self._start_workers()
            self._set_accepting()
            for key, _ in self._selector.select(_TICK_S):
                key.data()
            self._reap()
            self._kill_overdue()
            self._give_waiting()

    # Workers.

    def _start_workers(self) -> None:
        if self._stop_by is None:
            now = self._clock()
            for worker_id in [i for i, at in self._retry.items() if at <= now]:
                del self._retry[worker_id]
                self._start(worker_id)

    def _start(self, worker_id: int) -> None:
        ours, theirs = socket.socketpair()
        sys.stdout.flush()
        sys.stderr.flush()
        parent = os.getpid()
        # A signal to the process group must not reach the new process in the parent's guise.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        pid = os.fork()
        if pid == 0:
            ours.close()
            self._become(worker_id, theirs, parent)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        theirs.close()
        ours.setblocking(False)
        child = self._children[worker_id] = Child(worker_id, pid, ours, self._clock())
        self._board.begun[worker_id] = 0.0
        self._selector.register(ours, selectors.EVENT_READ, lambda: self._hear(child))

    def _become(self, worker_id: int, link: socket.socket, parent: int) -> None:
        """In the new process: let go of all that is the parent's, and be a worker."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            self._close()
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
            elif word in child.slots:
                child.slots.remove(word)
                self._release(word)

    def _up(self, child: Child) -> None:
        child.ready = self._clock()
        self._board.ready[child.worker_id] = 1
        took = round(child.ready - child.started, 3)
        self._logger.info_with("worker ready", worker=child.worker_id, pid=child.pid, seconds=took)
        if self._stop_by is not None:
            child.tell(DRAIN)
        elif not self._ever_ready:
            self._ever_ready = True
            self._listener.listen(self._options.backlog)
            host, port = self._listener.getsockname()[:2]
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
        for slot in child.slots:
            self._orphan(slot, child)
        if self._stop_by is None:
            self._replace(child, code)

    def _replace(self, child: Child, code: int) -> None:
        """Plan a new worker, the later the more often this one failed."""
        now = self._clock()
        steady = child.ready is not None and now - child.ready >= _STEADY_S
        failures = 0 if steady else self._failures[child.worker_id] + 1
        self._failures[child.worker_id] = failures
        if not self._ever_ready and failures >= self._options.start_attempts:
            raise SluiceError(
                f"{self._handler}: no worker came up in {failures} attempts; the log above says why"
            )
        first, longest = _BACK_OFF_S
        wait = min(longest, first * 2 ** (failures - 2)) if failures > 1 else 0.0
        self._retry[child.worker_id] = now + wait
        self._board.restarts += 1
        self._logger.error_with(
            "worker ended, a new one takes its place",
            worker=child.worker_id, pid=child.pid, exit_code=code, hung=child.hung, wait_s=wait,
        )  # fmt: skip

    def _kill_overdue(self) -> None:
        now, options = self._clock(), self._options
        for child in self._children.values():
            begun = self._board.begun[child.worker_id]
            if begun and now - begun > options.event_timeout_s and not child.hung:
                child.hung = True
                self._logger.error_with("event over time, worker killed", worker=child.worker_id)
                child.kill()
            elif child.ready is None and now - child.started > options.worker_start_timeout_s:
                self._logger.error_with("worker not ready in time", worker=child.worker_id)
                child.kill()
            elif self._stop_by is not None and now > self._stop_by:
                child.kill()

    # Connections.

    def _set_accepting(self) -> None:
        """Accept while there is a worker and a slot; else clients wait in the kernel's queue."""
        wanted = self._stop_by is None and bool(self._free) and any(self._board.ready)
        if wanted and not self._accepting:
            self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        elif self._accepting and not wanted:
            self._selector.unregister(self._listener)
        self._accepting = wanted

    def _accept(self) -> None:
        while self._free:
            try:
                sock, _ = self._listener.accept()
            except BlockingIOError:
                return
            except ConnectionAbortedError:
                continue
            except (
                OSError
            ) as problem:  # out of descriptors, most likely: try again at the next tick
                self._logger.error_with("a connection could not be accepted", problem=problem)
                return
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            slot = self._free.pop()
            self._sockets[slot] = sock
            self._board.open(slot)
            self._give(slot)

    def _give(self, slot: int) -> None:
        """Hand a connection to the ready worker with the least to do."""
        now = self._clock()

        def load(child: Child) -> tuple[bool, int]:
            begun = self._board.begun[child.worker_id]
            return bool(begun and now - begun > _STUCK_S), len(child.slots)

        ready = [c for c in self._children.values() if c.ready is not None and not c.hung]
        if any(child.give(slot, self._sockets[slot]) for child in sorted(ready, key=load)):
            return
        if self._stop_by is None or ready:
            self._waiting.append(slot)
        else:
            self._dismiss(slot, _NOT_BEGUN)

    def _give_waiting(self) -> None:
        for _ in range(len(self._waiting)):
            self._give(self._waiting.popleft())

    def _orphan(self, slot: int, child: Child) -> None:
        """What becomes of a connection whose worker died; see the top of this file."""
        state = self._board.state[slot]
        if state in (IDLE, KEPT):
            self._waiting.append(slot)
        elif state == BEGUN:
            limit = self._options.event_timeout_s
            late = error(504, f"the request was not answered within {limit:g} s")
            self._dismiss(slot, late if child.hung else _KILLED)
        else:
            self._dismiss(slot, _NOT_BEGUN if state == TAKEN else None)

    def _dismiss(self, slot: int, reply: Reply | None) -> None:
        sock = self._sockets[slot]
        try:
            if reply is not None:
                sock.send(encode(reply, None, True))
                sock.shutdown(socket.SHUT_WR)
                sock.recv(1 << 20)  # closing over unread bytes would reset the connection
        except OSError:
            pass  # the client is gone, or does not read: nothing more can be done for it
        self._release(slot)

    def _release(self, slot: int) -> None:
        self._sockets.pop(slot).close()
        self._free.append(slot)

    # The end.

    def _watch_signals(self) -> None:
        self._wake_end, wake = socket.socketpair()
        for end in (self._wake_end, wake):
            end.setblocking(False)
        self._wake = wake
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        self._selector.register(self._wake_end, selectors.EVENT_READ, self._woken)
        for number in _SIGNALS:
            signal.signal(number, lambda *_: None)

    def _woken(self) -> None:
        for number in self._wake_end.recv(4096):
            if number in (signal.SIGTERM, signal.SIGINT):
                self._stop()

    def _stop(self) -> None:
        """Drain; told a second time, end at once."""
        if self._stop_by is not None:
            self._stop_by = 0.0
            return
        self._logger.info_with("stopping", connections=len(self._sockets))
        self._board.draining = True
        if self._accepting:
            self._accept()  # those that were queued were promised an answer
        self._stop_by = self._clock() + self._options.drain_timeout_s
        self._set_accepting()
        self._listener.close()
        for child in self._children.values():
            if child.ready is None:
                child.kill()
            else:
                child.tell(DRAIN)

    def _close(self) -> None:
        """Let go of every descriptor; in a new worker these are the parent's copies."""
        for child in self._children.values():
            child.link.close()
        for sock in self._sockets.values():
            sock.close()
        self._selector.close()
        for end in (self._listener, getattr(self, "_wake", None), getattr(self, "_wake_end", None)):
            if end is not None:
                end.close()


def _listen(options: HostOptions) -> socket.socket:
    """A bound socket. It listens once a worker is ready: until then clients are refused."""
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setblocking(False)
    listener.bind((options.host, options.port))
    return listener
