"""What a sweep has measured so far, in a file: stopped, it goes on from there.

One JSON object a line: first {"format", "key"}, then {"split", "question", "measured"} with the
measures of one question by setting. A key says what was measured with what; another key is another
sweep, and its results are not mixed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from sluice.errors import SluiceError
from sluice.tuning.judge import Measured

FORMAT = 1
Done = dict[tuple[str, int], dict[str, Measured]]  # by split and question, then by setting


class Results:
    """The file of one sweep.

    Raises SluiceError for a newer format, and for the results of another sweep.
    """

    def __init__(self, file: Path, key: str) -> None:
        self._file = file
        file.parent.mkdir(parents=True, exist_ok=True)
        self.done: Done = {}
        if not self._read(key):
            file.write_bytes(_line({"format": FORMAT, "key": key}))

    def _read(self, key: str) -> bool:
        lines = self._file.read_bytes().splitlines(keepends=True) if self._file.exists() else []
        whole = [line for line in lines if line.endswith(b"\n")]  # a kill may have torn the last
        if not whole:
            return False
        head = orjson.loads(whole[0])
        if head["format"] != FORMAT:
            raise SluiceError(
                f"{self._file}: format {head['format']} is not read: only {FORMAT} is"
            )
        if head["key"] != key:
            why = "has results of another model, other questions or another Sluice"
            raise SluiceError(f"{self._file} {why}: --from-start, or another --out")
        for line in whole[1:]:
            found = orjson.loads(line)
            measured = {name: _measured(values) for name, values in found["measured"].items()}
            self.done.setdefault((found["split"], found["question"]), {}).update(measured)
        if len(whole) < len(lines):
            self._file.write_bytes(b"".join(whole))
        return True

    def add(self, split: str, question: int, measured: Mapping[str, Measured]) -> None:
        """Keep what was measured for a question."""
        values = {name: list(found) for name, found in measured.items()}
        line = {"split": split, "question": question, "measured": values}
        with self._file.open("ab") as file:
            file.write(_line(line))
        self.done.setdefault((split, question), {}).update(measured)


def _line(content: Mapping[str, Any]) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE)


def _measured(values: list[float | None]) -> Measured:
    return Measured(*(float("nan") if value is None else value for value in values))
