"""How far a replay has come, in one file that is replaced as a whole."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sluice.errors import SluiceError
from sluice.playback.recording import Times

FORMAT = 1


@dataclass
class State:
    """A replay's state.

    Attributes:
        what: what is played, and with what: a replay goes on only with the same.
        run: a text that request ids of this replay begin with.
        position: how much of the timeline has been played.
        answers: the probability that was answered [n]; NaN while there is none.
        batches: the place of the first question of the request that held it [n].
    """

    what: dict[str, Any]
    run: str
    position: int
    answers: npt.NDArray[np.float64]
    batches: npt.NDArray[np.int64]

    @classmethod
    def new(cls, what: dict[str, Any], n: int) -> State:
        """The state before anything was played."""
        return cls(what, os.urandom(4).hex(), 0, np.full(n, np.nan), np.full(n, -1))

    @classmethod
    def load(cls, file: Path, what: dict[str, Any]) -> State:
        """The state in a file. Raises SluiceError for one of another replay or a newer format."""
        head, answers, batches = _read(file)
        if head["format"] != FORMAT:
            raise SluiceError(f"{file} is of format {head['format']}: this Sluice reads {FORMAT}")
        if head["what"] != what:
            names = [n for n in what if head["what"].get(n) != what[n]]
            differs = "; ".join(f"{n}: {head['what'].get(n)}, now {what[n]}" for n in names)
            hint = "--from-start forgets it, --out keeps both"
            raise SluiceError(f"{file} is of another replay ({differs}): {hint}")
        return cls(what, head["run"], head["position"], answers, batches)

    def save(self, file: Path) -> None:
        """Replace the file: whoever is killed meanwhile leaves the one before."""
        head = {"format": FORMAT, "what": self.what, "run": self.run, "position": self.position}
        beside = file.with_suffix(".new")
        with beside.open("wb") as out:
            text = np.array(json.dumps(head))
            np.savez(out, head=text, answers=self.answers, batches=self.batches)
            out.flush()
            os.fsync(out.fileno())
        beside.replace(file)

    def note(self, places: Sequence[int], answers: Sequence[float]) -> None:
        """Write down the answers of one request to questions that follow each other."""
        first = places[0]
        self.answers[first : first + len(places)] = answers
        self.batches[first : first + len(places)] = first

    def request_id(self, first: int) -> str:
        """The id of the request that begins with a question."""
        return f"{self.run}-{first}"

    def request_of(self, place: int) -> tuple[str, int]:
        """The id of the request that a question was in, and its place there."""
        first = int(self.batches[place])
        return self.request_id(first), place - first


def _read(file: Path) -> tuple[dict[str, Any], Times, npt.NDArray[np.int64]]:
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as found:
            return json.loads(str(found["head"])), found["answers"], found["batches"]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise SluiceError(f"{file} is not a replay's state: {error}") from None
