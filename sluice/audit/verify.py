"""Whether an audit trail is as it was written, and if not, which line is not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from sluice.audit.line import NOTHING, Line, decode, sum_of
from sluice.audit.trail import Trail, TrailBroken
from sluice.models.aliases import Move


class Problem(NamedTuple):
    """What is wrong with a line: its place in the file, from 1; 0 for what no line has."""

    line: int
    what: str


class _Known(NamedTuple):
    number: int  # as the line says; 0 for one that can't be read
    sum: str
    before: str
    told: str


def verify(trail: Trail, number: int = 0, sha256: str = "") -> list[Problem]:
    """What is wrong with a trail, in the order of its lines; nothing where it is whole.

    Args:
        trail: itself.
        number, sha256: a line and its sum as they were noted elsewhere; 0: there is no such note.
    """
    known = [_known(data) for data in trail.raw()]
    problems = [*_unread(trail), *_numbers(known), *_sums(known)]
    try:
        head = trail.head()
    except TrailBroken as error:
        problems.append(Problem(0, str(error)))
    else:
        problems += _end(known, head.number, head.sha256, "the trail's head")
    if number:
        problems += _end(known, number, sha256, "the note")
    return sorted(set(problems))


def compare(trail: Trail, graph: str, moves: Sequence[Move]) -> list[Problem]:
    """What differs between a trail and the moves of aliases that the model store remembers."""
    told = {
        int(line.subject["move"]): (place, line)
        for place, line in enumerate(trail.lines(), 1)
        if line.subject.get("graph") == graph and "move" in line.subject
    }
    problems = []
    for move in moves:
        place, line = told.get(move.number, (0, None))
        if line is None:
            what = f"move {move.number} of {graph} ({move.action} {move.version}) is on no line"
            problems.append(Problem(0, what))
        elif not _is_of(line, move):
            what = f"is not what the model store says of move {move.number} of {graph}"
            problems.append(Problem(place, what))
    for number, (place, _) in told.items():
        if number > len(moves):
            what = f"move {number} of {graph} is not in the model store's history"
            problems.append(Problem(place, what))
    return problems


def _is_of(line: Line, move: Move) -> bool:
    found = line.subject.get("alias"), line.subject.get("version"), line.action
    return found == (move.alias, move.version, move.action)


def _known(data: bytes) -> _Known:
    try:
        line = decode(data)
    except ValueError:
        return _Known(0, sum_of(data), "", "")
    return _Known(line.number, sum_of(data), line.before, f" ({line.time} {line.told})")


def _unread(trail: Trail) -> Iterator[Problem]:
    for place, data in enumerate(trail.raw(), 1):
        try:
            decode(data)
        except ValueError as error:
            yield Problem(place, f"can't be read: {error}")


def _numbers(known: Sequence[_Known]) -> Iterator[Problem]:
    expected = 1
    for place, line in enumerate(known, 1):
        if line.number > expected:
            gone = f"line {expected}" + (
                f" to {line.number - 1}" if line.number - 1 > expected else ""
            )
            yield Problem(place, f"{gone} is missing before it")
        elif line.number and line.number < expected:
            yield Problem(place, f"says that it is line {line.number}: it was put in or moved")
        expected = (line.number or expected) + 1


def _sums(known: Sequence[_Known]) -> Iterator[Problem]:
    """Lines whose sum is not the one that the next one has."""
    if known and known[0].number and known[0].before != NOTHING:
        yield Problem(1, "has a sum of a line before it, and is the first")
    wrong = [bool(after.number) and after.before != line.sum for line, after in pairwise(known)]
    for place, (line, after) in enumerate(pairwise(known), 1):
        if wrong[place - 1] and after.number in (0, line.number + 1):
            also = place < len(wrong) and wrong[place]
            either = f", or line {place + 1} has" if also else ": the next line has"
            yield Problem(place, f"was changed{line.told}{either} another sum of it")


def _end(known: Sequence[_Known], number: int, sha256: str, by: str) -> Iterator[Problem]:
    """What is wrong with the line that stands somewhere else, too."""
    if not number:
        if known and by == "the trail's head":
            yield Problem(0, "the head is missing: lines may have been taken from the end")
        return
    found = [(place, line) for place, line in enumerate(known, 1) if line.number == number]
    if not found and len(known) >= number and not known[number - 1].number:
        found = [(number, known[number - 1])]
    if not found:
        yield Problem(0, f"line {number} is missing: {by} has it, and {len(known)} are there")
    elif found[-1][1].sum != sha256:
        place, line = found[-1]
        yield Problem(place, f"was changed{line.told}: {by} has another sum of it")
