"""What makes pages beside replies: python -m sluice.dashboard.maker ROOT GRAPH DESCRIPTOR

It answers what comes over the descriptor, one after the other: a frame of JSON, path and query;
then two back, status, headers and content type as JSON, and the body. It ends with the line, and so
with the process that started it, and gives way to those who answer predictions.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path

import orjson

from sluice.dashboard.aside import Asked
from sluice.dashboard.dashboard import Dashboard
from sluice.dashboard.paths import PAGE
from sluice.project import Project
from sluice.protocol.http import Answer, failed


def main() -> None:
    """Its whole life."""
    root, graph, descriptor = sys.argv[1:]
    os.nice(10)

    @cache
    def opened() -> Dashboard:
        return Dashboard(Project.read(Path(root)), graph, far=False)

    with Connection(int(descriptor)) as line, suppress(EOFError, OSError):
        while True:
            said = _answer(opened, orjson.loads(line.recv_bytes()))
            line.send_bytes(orjson.dumps([said.status, said.headers, said.content_type]))
            line.send_bytes(said.body)


def _answer(opened: Callable[[], Dashboard], asked: Asked) -> Answer:
    path, query = asked
    try:
        return opened().page(query) if path == PAGE else opened().data(query)
    except Exception as error:  # where a defect becomes a 500
        return failed(error, None)


if __name__ == "__main__":
    main()
