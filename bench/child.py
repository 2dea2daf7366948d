"""A process of ours that measures what it is told to: a line in, a line of JSON out."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from bench import work
from bench.server import environment


class Child:
    """A module of bench/ that waits for lines; it ends with the block.

    Args:
        module: such as bench.in_stream.
        arguments: behind it.
        name: of its log in build/bench-state.
    """

    def __init__(self, module: str, arguments: Sequence[str] = (), name: str = "") -> None:
        self.name = name or module.rpartition(".")[2]
        command = [sys.executable, "-m", module, *arguments]
        with (work.FOLDER / f"{self.name}.out").open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=work.ROOT, env=environment(), stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=log, text=True,
            )  # fmt: skip

    def tell(self, line: str) -> Any:
        """The answer to a line. Raises RuntimeError when the process has ended."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        said = self.process.stdout.readline()
        if not said:
            raise RuntimeError(f"{self.name} ended: build/bench-state/{self.name}.out")
        return json.loads(said)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.process.communicate(timeout=60)
