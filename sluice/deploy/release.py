"""A release: the code and the declarations of a project as they were, and how they are run.

FOLDER/releases/3/project/      the copy
FOLDER/releases/3/release.json  graph, layout, workers, digest
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

import msgspec

from sluice.deploy.beside import COMMANDS, CORRECTION, LEARN, MONITOR, corrects, learns
from sluice.deploy.declared import STEPS, check_apart
from sluice.models.document import read_document, write_document
from sluice.project import Project, files_of
from sluice.service import read_spec

FORMAT = 3  # 1 knew nobody that learns, 2 neither a correction nor a monitor
_READ = (1, 2, FORMAT)
FILE, COPY = "release.json", "project"
DOOR = "door"
_COPIED = {".py", ".pyi", ".so", ".yaml", ".yml", ".json", ".toml", ".txt", ".typed"}


class Process(NamedTuple):
    """One process of a release.

    Attributes:
        role: "door" for the one that callers talk to, else a step.
        arguments: of the interpreter; its descriptor goes behind them.
        next: the role that its answer goes to; empty: back to the caller.
        listens: whether it takes connections; one that does not gives way to those that do.
    """

    role: str
    arguments: list[str]
    next: str = ""
    listens: bool = True


class Release(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a release is made of.

    Attributes:
        digest: of all files and options.
        learns, corrects: whether its policy, and its correction, have to be taught.
        monitored: whether its events are counted.
    """

    number: str
    graph: str
    layout: str
    digest: str
    workers: int | None = None
    learns: bool = False
    corrects: bool = False
    monitored: bool = False
    format: int = FORMAT

    @classmethod
    def load(cls, folder: Path, number: str) -> Release:
        """A release of a deployment. Raises OSError, ValueError."""
        return read_document((folder / "releases" / number / FILE).read_bytes(), cls, _READ)

    def processes(self) -> list[Process]:
        """What runs, the door first; each is the command that a person would give."""
        beside = {LEARN: self.learns, CORRECTION: self.corrects, MONITOR: self.monitored}
        return self._serving() + [
            Process(role, ["-m", "sluice.cli", *COMMANDS[role], self.graph], listens=False)
            for role, needed in beside.items()
            if needed
        ]

    def _serving(self) -> list[Process]:
        workers = [] if self.workers is None else ["--workers", str(self.workers)]
        sluice = ["-m", "sluice.cli"]
        if self.layout == "fused":
            return [Process(DOOR, [*sluice, "serve", self.graph, *workers])]
        after = [*STEPS[1:], ""]
        return [
            Process(
                DOOR if index == 0 else step,
                [*sluice, "host", "--config", f"functions/{step}/function.yaml", *workers],
                after[index],
            )
            for index, step in enumerate(STEPS)
        ]


def copy_of(folder: Path, number: str) -> Path:
    """Where a release's copy of the project is."""
    return folder / "releases" / number / COPY


def numbers(folder: Path) -> list[str]:
    """The releases that were ever made and are still there, oldest first."""
    found = [p.name for p in (folder / "releases").glob("*") if p.name.isdigit()]
    return sorted(found, key=int)


def make(
    project: Project, graph: str, folder: Path, layout: str, workers: int | None = None
) -> Release:
    """Copy the project as it is now; it becomes the next release.

    Raises OSError, and DeclarationError for a graph that can not be run so.
    """
    if layout == "steps":
        check_apart(read_spec(project, graph))
    digest = hashlib.sha256(f"{FORMAT} {graph} {layout} {workers} {sys.version}".encode())
    files = files_of(project.root, _COPIED)
    for file in files:
        digest.update(f"\0{file}\0".encode() + (project.root / file).read_bytes())
    there = numbers(folder)
    release = Release(
        str(int(there[-1]) + 1 if there else 1), graph, layout, digest.hexdigest(), workers,
        learns=learns(project, graph), corrects=corrects(project, graph),
        monitored=project.settings.monitoring,
    )  # fmt: skip
    target = folder / "releases" / f"{release.number}.part"
    shutil.rmtree(target, ignore_errors=True)
    for file in files:
        (target / COPY / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(project.root / file, target / COPY / file)
    (target / FILE).write_bytes(write_document(release))
    target.rename(target.with_suffix(""))
    return release


def prune(folder: Path, kept: set[str]) -> None:
    """Delete the copies of other releases."""
    for number in set(numbers(folder)) - kept:
        shutil.rmtree(folder / "releases" / number, ignore_errors=True)
