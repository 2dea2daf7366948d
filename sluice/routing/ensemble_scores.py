"""The scores of many rows by their choices: each version is asked once, teams are combined."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sluice.errors import SluiceError, Unavailable
from sluice.message import Choice
from sluice.routing.ensemble_combine import combine
from sluice.team import Team

Array = npt.NDArray[Any]
Scored = dict[str, tuple[Array, Array]]  # by version: which rows, their scores [rows, k]


class Asked(NamedTuple):
    """What one version said of the rows that it was asked for.

    Attributes:
        rows: which it answered, in order.
        scores: [rows, k]; NaN where it gave no number.
        missing: by row, why it has no number for it.
    """

    rows: Array
    scores: Array
    missing: Mapping[int, str]


class Wanted(NamedTuple):
    """What one version is to be asked.

    Attributes:
        rows: for which, in order.
        alone: whether some of them have nobody else: then what it raises is raised.
        budget_s: how long it may take, infinite where nobody says.
    """

    rows: Array
    alone: bool
    budget_s: float


Ask = Callable[[Mapping[str, Wanted]], Mapping[str, Asked]]


class Answers(NamedTuple):
    """What the choices came to.

    Attributes:
        choices, chosen: as they were carried out, and which of them is each row's; −1 for none.
        scores: by the version of the choice, "1+3" for a team.
        members: by version, the scores that were asked for teams.
        failed: by row, why it has no answer.
    """

    choices: list[Choice]
    chosen: Array
    scores: Scored
    members: Scored
    failed: Mapping[int, SluiceError]


def answers(choices: Sequence[Choice], chosen: Array, ask: Ask) -> Answers:
    """Carry choices out.

    Args:
        choices, chosen: the choices, and which of them is each row's [m].
        ask: asks versions, by number, in order.
    """
    work = _Work(choices, chosen)
    asked = ask(work.wanted)
    for place in range(len(choices)):
        work.carry_out(place, asked)
    return work.answers(asked)


class _Work:
    def __init__(self, choices: Sequence[Choice], chosen: Array) -> None:
        self._choices, self._chosen = list(choices), chosen.copy()
        self._rows = [np.arange(len(chosen))]
        if len(choices) > 1:
            self._rows = [np.flatnonzero(chosen == place) for place in range(len(choices))]
        self._found: dict[str, list[tuple[Array, Array]]] = {}
        self._failed: dict[int, SluiceError] = {}
        self.wanted = self._wanted()

    def _wanted(self) -> dict[str, Wanted]:
        """What each version is needed for."""
        wanted: dict[str, list[Wanted]] = {}
        for choice, rows in zip(self._choices, self._rows, strict=True):
            if not len(rows):
                continue
            if choice.team is None:
                wanted.setdefault(choice.version, []).append(Wanted(rows, True, math.inf))
                continue
            for number, part in wanted_of(choice.team, rows).items():
                wanted.setdefault(number, []).append(part)
        return {number: _union(parts) for number, parts in sorted(wanted.items())}

    def carry_out(self, place: int, asked: Mapping[str, Asked]) -> None:
        """Find the scores of a choice's rows; rows that lack a member get a choice of their own."""
        choice, rows = self._choices[place], self._rows[place]
        if not len(rows):
            return
        if choice.team is None:
            self._note(choice, rows, _scores(asked[choice.version], rows))
            return
        lacking = _lacking(choice.team, rows, asked)
        if lacking:
            rows = np.setdiff1d(rows, [r for some in lacking.values() for r in some])
        if len(rows):
            self._combine(choice, choice.team, rows, asked)
        for why, some in lacking.items():
            lesser = choice.team.without(dict(why))
            fewer = replace(choice, version=lesser.version, team=lesser)
            self._chosen[some] = len(self._choices)
            self._choices.append(fewer)
            self._combine(fewer, lesser, np.array(some), asked)

    def _combine(self, choice: Choice, team: Team, rows: Array, asked: Mapping[str, Asked]) -> None:
        there = [member for member in team.members if member.weight]
        if len(there) < max(1, team.quorum):
            self._chosen[rows] = -1
            text = f"{len(there)} of the {team.quorum} members needed answered: {_told(team)}"
            self._failed |= {row: Unavailable(text) for row in rows.tolist()}
            return
        scores = [_scores(asked[member.version], rows) for member in there]
        self._note(choice, rows, combine(team, scores))

    def _note(self, choice: Choice, rows: Array, scores: Array) -> None:
        self._found.setdefault(choice.version, []).append((rows, scores))

    def answers(self, asked: Mapping[str, Asked]) -> Answers:
        """All that was found, the rows of each version together and in order."""
        scores = {number: _together(found) for number, found in self._found.items()}
        teams = [c.team for c in self._choices if c.team is not None]
        numbers = {member.version for team in teams for member in team.members}
        members = {n: (a.rows, a.scores) for n, a in asked.items() if n in numbers and len(a.rows)}
        return Answers(self._choices, self._chosen, scores, members, self._failed)


def wanted_of(team: Team, rows: Array) -> dict[str, Wanted]:
    """What each version is needed for by a team that answers some rows."""
    budget = math.inf if team.budget_ms is None else team.budget_ms / 1e3
    part = Wanted(rows, False, budget)
    return dict.fromkeys([member.version for member in team.members], part)


def _lacking(
    team: Team, rows: Array, asked: Mapping[str, Asked]
) -> dict[tuple[tuple[str, str], ...], list[int]]:
    """The rows that lack a member, by the versions that they lack, and why."""
    numbers = list(dict.fromkeys(member.version for member in team.members))
    some = {row for number in numbers for row in asked[number].missing}
    lacking: dict[tuple[tuple[str, str], ...], list[int]] = {}
    for row in sorted(some.intersection(rows.tolist())) if some else ():
        why = tuple((n, asked[n].missing[row]) for n in numbers if row in asked[n].missing)
        lacking.setdefault(why, []).append(row)
    return lacking


def _told(team: Team) -> str:
    return "; ".join(f"{name} {why}" for name, why in team.left_out)


def _union(parts: list[Wanted]) -> Wanted:
    if len(parts) == 1:
        return parts[0]
    rows = np.unique(np.concatenate([part.rows for part in parts]))
    alone = any(part.alone for part in parts)
    return Wanted(rows, alone, math.inf if alone else min(part.budget_s for part in parts))


def _scores(asked: Asked, rows: Array) -> Array:
    """The scores of some of the rows that a version answered."""
    if len(rows) == len(asked.rows):
        return asked.scores
    found: Array = asked.scores[np.searchsorted(asked.rows, rows)]
    return found


def _together(found: list[tuple[Array, Array]]) -> tuple[Array, Array]:
    if len(found) == 1:
        return found[0]
    rows = np.concatenate([rows for rows, _ in found])
    order = rows.argsort()
    return rows[order], np.concatenate([scores for _, scores in found])[order]
