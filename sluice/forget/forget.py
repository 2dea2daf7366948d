"""Forgetting a subject: find its requests, take them out everywhere, and look whether any is left.

What is found is noted in a file before anything goes: a request's answer is the subject's only as
long as the request says so. Whoever is killed in between says the same again; the file goes when
nothing is left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import msgspec
import orjson

from sluice.durable import replace
from sluice.forget.place import Place
from sluice.forget.subject import Subject
from sluice.models.document import read_document, write_document

FORMAT = 1
_CHUNK = 16 << 20
Progress = Callable[[str, int], object]  # what is done, and how many records or bytes more


class Noted(msgspec.Struct, frozen=True):
    """The requests of a subject, and how many records each has."""

    ids: dict[str, int]
    format: int = FORMAT


class Forgotten(NamedTuple):
    """What was done.

    Attributes:
        deleted: by place, how many records.
        left: by place, how many are there still.
        files: those of the state folder in which the values still are, as bytes.
        requests: how many requests were the subject's.
        hints: what people have to do about what is left.
    """

    deleted: dict[str, int]
    left: dict[str, int]
    files: list[str]
    requests: int
    hints: list[str]

    @property
    def done(self) -> bool:
        """Whether nothing is left."""
        return not self.left and not self.files


def forget(
    subject: Subject,
    places: Sequence[Place],
    state: Path,
    *,
    dry: bool = False,
    progress: Progress = lambda *_: None,
) -> Forgotten:
    """Forget a subject in some places; with `dry` only say what there is of it.

    Args:
        state: the folder whose files are looked through in the end; the note is there, too.
        progress: is told of each step.

    Raises StoreUnavailable; the same call goes on from there.
    """
    note = state / "forget" / f"{_name(subject)}.json"
    if note.exists():
        subject.ids |= read_document(note.read_bytes(), Noted, (FORMAT,)).ids
    found = _find(subject, places, progress)
    if dry:
        return Forgotten({}, found, [], len(subject.ids), _hints(places, found))
    note.parent.mkdir(parents=True, exist_ok=True)
    replace(note, write_document(Noted(subject.ids)))
    deleted = _look(subject, places, ("delete", True), progress)
    for place in places:
        for _ in place.clean(subject):
            progress(f"clean {place.name}", 0)
    left = _look(subject, places, ("verify", False), progress)
    files = [str(file) for file in telling(subject, state, progress)]
    if not left:
        note.unlink()
    return Forgotten(deleted, left, files, len(subject.ids), _hints(places, left))


def _hints(places: Sequence[Place], left: Collection[str]) -> list[str]:
    return [hint for place in places if place.name in left for hint in place.hints()]


def telling(subject: Subject, folder: Path, progress: Progress) -> Iterator[Path]:
    """The files of a folder that have the subject's values in them, whatever they are."""
    if not subject.spellings:
        return
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        with suppress(FileNotFoundError):  # who works meanwhile takes files of its own away
            if _has(subject, file, progress):
                yield file


def _has(subject: Subject, file: Path, progress: Progress) -> bool:
    """Whether all values are in one file; read by pieces that overlap by the longest of them."""
    longest = max(len(text) for texts in subject.spellings for text in texts)
    missing = set(range(len(subject.spellings)))
    rest = b""
    with file.open("rb") as opened:
        while missing and (data := opened.read(_CHUNK)):
            piece = rest + data
            missing -= {n for n in missing if any(text in piece for text in subject.spellings[n])}
            rest = piece[-longest:]
            progress("read files", len(data))
    return not missing


def _find(subject: Subject, places: Sequence[Place], progress: Progress) -> dict[str, int]:
    """Look until no more requests of the subject come to light: one leads to another."""
    before = -1
    found: dict[str, int] = {}
    while before != len(subject.ids):
        before = len(subject.ids)
        found = _look(subject, places, ("find", False), progress)
    return found


def _look(
    subject: Subject, places: Sequence[Place], how: tuple[str, bool], progress: Progress
) -> dict[str, int]:
    """By place, how many records are the subject's; places without are left out."""
    step, delete = how
    found: Counter[str] = Counter()
    for place in places:
        for seen in place.look(subject, delete=delete):
            found[place.name] += seen.found
            progress(f"{step} {place.name}", seen.records)
    return {name: count for name, count in found.items() if count}


def _name(subject: Subject) -> str:
    """The name of a subject's note, which tells nothing of it."""
    return sha256(orjson.dumps(subject.fields, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]
