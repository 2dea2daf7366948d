"""A process that writes a line for each change below a folder; the parent of `--reload` starts it.

It is a process of its own because the watcher runs threads, and the parent forks.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

SUFFIXES = (".py", ".yaml", ".yml")


def main(folder: str) -> None:
    """Write the changed files, one line for each burst, until the parent is gone."""
    from watchfiles import Change, DefaultFilter, watch

    class Sources(DefaultFilter):
        def __call__(self, change: Change, path: str) -> bool:
            return path.endswith(SUFFIXES) and super().__call__(change, path)

    parent = os.getppid()
    said = False
    for change in watch(
        folder, watch_filter=Sources(), debounce=400, rust_timeout=300, yield_on_timeout=True,
        raise_interrupt=False,
    ):  # fmt: skip
        if os.getppid() != parent:
            return
        if not said:  # only now: before its first turn the watcher sees nothing
            said = True
            print("watching", flush=True)  # noqa: T201
        if change:
            names = sorted({os.path.relpath(path, folder) for _, path in change})
            print(" ".join(names), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(str(Path(sys.argv[1]).resolve()))
