"""What is measured: a graph of a project, by records, with a folder for all that is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sluice.project import Project

Records = Sequence[Mapping[str, Any]]


class Subject(NamedTuple):
    """A graph to be measured.

    Attributes:
        project: its settings say that everything is written to `folder`.
        records: what is asked about, gone round in; every one of them is answered.
    """

    project: Project
    graph: str
    records: Records
    folder: Path
