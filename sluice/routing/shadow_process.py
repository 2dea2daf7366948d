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
from sluice.routing.comparer import open_comparer
from sluice.routing.ring import Ring
from sluice.settings import Settings, variables

_NICE = 10  # a request that wants the processor goes first


def start_process(project: Project, graph: str, ring: Ring) -> subprocess.Popen[bytes]:
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
    home = {"root": str(project.root), "name": project.name, "graph": graph}
    assert process.stdin is not None
    with suppress(BrokenPipeError), process.stdin as pipe:  # dead already: its status tells
        pipe.write(json.dumps({**home, "settings": asdict(project.settings)}).encode())
    return process


def main() -> None:
    """Its whole life."""
    parent, file = map(int, sys.argv[1:])
    die_with(parent)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # who started it says when it ends
    os.nice(_NICE)
    home = json.load(sys.stdin)
    settings = Settings(**home["settings"])
    project = Project(Path(home["root"]), home["name"], settings, {}, {}, {})
    open_comparer(project, home["graph"], Ring(file)).run(lambda: os.getppid() != parent)


if __name__ == "__main__":
    main()
