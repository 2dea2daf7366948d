"""The life of a worker process, from the fork on."""

from __future__ import annotations

import importlib
import signal
import socket
import sys

from sluice.host.board import Board
from sluice.host.options import HostOptions
from sluice.host.worker import Worker


def main(
    handler: str, worker_id: int, link: socket.socket, board: Board, options: HostOptions
) -> int:
    """The whole life of a worker process, from the fork on; its exit code.

    The parent decides when a worker ends: a signal that goes to the whole process group (Ctrl-C,
    a container's stop) is not acted on here.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    if options.reload:
        sys.dont_write_bytecode = True  # its stamp has seconds: two edits in one look the same
        importlib.invalidate_caches()
    code = _kind(options)(worker_id, link, board, options).run(handler)
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def _kind(options: HostOptions) -> type[Worker]:
    if not options.batch_size:
        return Worker
    from sluice.host.batching import BatchingWorker

    return BatchingWorker
