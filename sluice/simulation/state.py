"""How far a simulation has come, in one file that is replaced as a whole."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sluice.errors import SluiceError

FORMAT = 1
_ARRAYS = ("served", "plain", "static")


@dataclass
class State:
    """A simulation's state, after a whole day.

    Attributes:
        what: what is simulated: it goes on only with the same.
        day: when the next day begins, epoch s; 0: it has not begun.
        told: how many labels have been told.
        offsets: the next one of each topic.
        versions: by day (epoch s, as text), the version that answers.
        served: the probability that was answered [n]; NaN while there is none.
        plain: the same before the correction [n].
        static: what the first version says [n].
    """

    what: dict[str, Any]
    served: npt.NDArray[np.float64]
    plain: npt.NDArray[np.float64]
    static: npt.NDArray[np.float64]
    day: float = 0.0
    told: int = 0
    offsets: dict[str, int] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, file: Path, what: dict[str, Any], n: int) -> State:
        """The state in a file, or one that has not begun.

        Raises SluiceError for one of another simulation or a newer format.
        """
        if not file.exists():
            return cls(what, np.full(n, np.nan), np.full(n, np.nan), np.full(n, np.nan))
        with np.load(file, allow_pickle=False) as found:
            head, arrays = json.loads(str(found["head"])), [found[name] for name in _ARRAYS]
        if head.pop("format") != FORMAT:
            raise SluiceError(f"{file} is not of format {FORMAT}")
        if head["what"] != what:
            differ = ", ".join(name for name in what if head["what"].get(name) != what[name])
            hint = "--from-start forgets it, --output keeps both"
            raise SluiceError(f"{file} is of another simulation ({differ}): {hint}")
        return cls(served=arrays[0], plain=arrays[1], static=arrays[2], **head)

    def save(self, file: Path) -> None:
        """Replace the file: whoever is killed meanwhile leaves the one before."""
        names = ("what", "day", "told", "offsets", "versions")
        head = {"format": FORMAT, **{name: getattr(self, name) for name in names}}
        beside = file.with_suffix(".new")
        with beside.open("wb") as out:
            arrays = {name: getattr(self, name) for name in _ARRAYS}
            np.savez(out, head=np.array(json.dumps(head)), **arrays)
            out.flush()
            os.fsync(out.fileno())
        beside.replace(file)
