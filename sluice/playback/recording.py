"""What a graph supplies to be played again: `spec.parameters.sluice.playback` names a Playback."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from sluice.declaration import load_object
from sluice.errors import DeclarationError, SluiceError
from sluice.parameters import Parameters
from sluice.project import Project

Times = npt.NDArray[np.float64]  # seconds since the Unix epoch


@dataclass(frozen=True)
class Questions:
    """The questions of a window, by the time at which they are asked.

    Attributes:
        asked: when [n], ascending: what their look-ups are as of.
        records: what a caller sends [n], JSON-able.
        labels: what became of it [n]: 0 or 1, the place in `classes`; NaN for never known.
        known: when the label becomes known [n]; NaN for never.
        periods: what each counts to in the scores [n], such as its month.
        classes: the two labels as the model's versions have them.
    """

    asked: Times
    records: Sequence[dict[str, Any]]
    labels: npt.NDArray[np.float64]
    known: Times
    periods: Sequence[str]
    classes: tuple[Any, Any] = (0, 1)

    def __post_init__(self) -> None:
        lengths = {len(c) for c in (self.asked, self.records, self.labels, self.known)}
        if len(lengths | {len(self.periods)}) > 1:
            raise ValueError("questions: the columns have different lengths")
        if (np.diff(self.asked) < 0).any():
            raise ValueError("questions: not in the order in which they are asked")
        if (np.isnan(self.labels) != np.isnan(self.known)).any():
            raise ValueError("questions: a label and the time when it is known go together")
        if (self.known < self.asked).any():
            raise ValueError("questions: a label is known before the question is asked")

    def __len__(self) -> int:
        return len(self.records)


@dataclass(frozen=True)
class Events:
    """What features are made of, by the time at which it becomes known [n], ascending.

    `events` are as `sluice ingest` takes them: {"type", "id", "data"}.
    """

    known: Times
    events: Sequence[dict[str, Any]]

    def __post_init__(self) -> None:
        if len(self.known) != len(self.events) or (np.diff(self.known) < 0).any():
            raise ValueError("events: not one time for each, or not in their order")


class Playback(Protocol):
    """What a graph supplies. Days are ISO texts, `end` is the day after the last."""

    def questions(self, start: str, end: str) -> Questions:
        """The questions of a window."""

    def events(self, start: str, end: str) -> Events:
        """All events that questions of the window can depend on: from some time before it."""


def load_playback(project: Project, parameters: Parameters) -> Playback:
    """The playback that a graph's parameters name. Raises DeclarationError."""
    where = "spec.parameters.sluice.playback"
    file = project.graph_file(parameters.graph)
    if parameters.playback is None:
        raise DeclarationError(file, where, "is missing", "name a Playback: package.module.name")
    found = load_object(parameters.playback, file, where, project.root)
    if not hasattr(found, "questions") or not hasattr(found, "events"):
        problem = f"expected an object with questions and events, found {type(found).__name__}"
        raise DeclarationError(file, where, problem)
    playback: Playback = found
    return playback


def window(first: str, last: str) -> tuple[str, str]:
    """The first day, and the day after the last, of two months (2013-04) or days (2013-04-30).

    Raises SluiceError for anything else, and for a last before the first.
    """
    start, end = _days(first)[0], _days(last)[1]
    if end <= start:
        raise SluiceError(f"--to {last} is before --from {first}")
    return start.isoformat(), end.isoformat()


def _days(text: str) -> tuple[date, date]:
    """A month's or a day's first day, and the day after its last."""
    try:
        if len(text) == len("2013-04"):
            first = date.fromisoformat(f"{text}-01")
            return first, (first + timedelta(days=31)).replace(day=1)
        day = date.fromisoformat(text)
    except ValueError:
        raise SluiceError(f"{text}: expected a month or a day, such as 2013-04-30") from None
    return day, day + timedelta(days=1)
