"""The process of a graph's shadows: python -m sluice.routing.shadow_process

It reads the ring whose descriptor it is given, and from standard input where the stores are. It
ends when the ring is closed and empty, or when the process that started it ends.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from sluice.host.die_with import die_with
from sluice.project import Project
from sluice.routing.comparer import Home, open_comparer
from sluice.routing.ring import Ring
from sluice.settings import Settings, variables


def start_process(home: Home, ring: Ring) -> subprocess.Popen[bytes]:
    """Start it. Raises OSError where no process can be had.

    It is a new program, not a fork: the threads of this process do not matter to it.
    """
    if not sys.executable:
        raise OSError("this interpreter is inside of another program")
    command = [sys.executable, "-P", "-m", __name__, str(os.getpid()), str(ring.file)]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        pass_fds=(ring.file,),
        env={**variables(), "PYTHONPATH": os.pathsep.join(path or "." for path in sys.path)},
        start_new_session=True,  # Ctrl-C is for us
    )
    assert process.stdin is not None
    with suppress(BrokenPipeError), process.stdin as pipe:  # dead already: its status tells
        pipe.write(_written(home))
    return process


def main() -> None:
    """Its whole life."""
    parent, file = map(int, sys.argv[1:])
    die_with(parent)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # who started it says when it ends
    comparer = open_comparer(_read(sys.stdin.read()), Ring(file))
    comparer.run(lambda: os.getppid() != parent)


def _written(home: Home) -> bytes:
    project, graph, servers = home
    told = {
        "root": str(project.root),
        "name": project.name,
        "settings": asdict(project.settings),
        "graph": graph,
        "servers": str(servers) if servers else None,
    }
    return json.dumps(told).encode()


def _read(text: str) -> Home:
    told = json.loads(text)
    settings, servers = Settings(**told["settings"]), told["servers"]
    project = Project(Path(told["root"]), told["name"], settings, {}, {}, {})
    return Home(project, told["graph"], Path(servers) if servers else None)


if __name__ == "__main__":
    main()
