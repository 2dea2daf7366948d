"""Carrying out the choices of a message, and of a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from sluice.errors import SluiceError
from sluice.message import Choice, Message
from sluice.routing.ensemble_combine import combine
from sluice.routing.ensemble_scores import Ask, Asked, answers, wanted_of
from sluice.team import Team

if TYPE_CHECKING:
    from sluice.batch.block import Block

_PER_ROW = ("rows", "values", "as_of", "defaults", "ages", "route", "scores")


def answer_message(message: Message, ask: Ask) -> None:
    """Give each row its scores. A row without an answer leaves the message, with an error.

    Raises that error where the request is a single record.
    """
    first = message.route[0]
    if first.team is not None and message.route.count(first) == len(message.route):
        asked = ask(wanted_of(first.team, np.arange(len(message.rows))))
        if _all_there(first.team, asked):
            _combine_all(message, first.team, asked)
            return
        _carry_out(message, lambda _: asked)
    else:
        _carry_out(message, ask)


def _all_there(team: Team, asked: Mapping[str, Asked]) -> bool:
    able = sum(1 for member in team.members if member.weight)
    return able >= max(1, team.quorum) and not any(a.missing for a in asked.values())


def _combine_all(message: Message, team: Team, asked: Mapping[str, Asked]) -> None:
    """What most messages come to: one team, and everybody answered."""
    scores = combine(team, [asked[m.version].scores for m in team.members if m.weight])
    message.scores = list(scores)
    message.members = {number: (a.rows, a.scores) for number, a in asked.items()}


def _carry_out(message: Message, ask: Ask) -> None:
    choices: dict[int, Choice] = {id(choice): choice for choice in message.route}
    places = {key: place for place, key in enumerate(choices)}
    chosen = np.array([places[id(choice)] for choice in message.route])
    found = answers(list(choices.values()), chosen, ask)
    scores: list[Any] = [None] * len(message.rows)
    for rows, given in found.scores.values():
        for row, score in zip(rows.tolist(), given, strict=True):
            scores[row] = score
    message.scores, message.members = scores, found.members
    if len(found.choices) > len(choices):
        message.route = [found.choices[place] for place in found.chosen.tolist()]
    if found.failed:
        _fail(message, found.failed)


def _fail(message: Message, failed: Mapping[int, SluiceError]) -> None:
    if message.single:
        raise failed[0]
    message.shadows = ()  # the tensors keep the rows that leave
    message.errors |= {message.rows[row]: error for row, error in failed.items()}
    good = [row for row in range(len(message.rows)) if row not in failed]
    for name in _PER_ROW:
        values = getattr(message, name)
        setattr(message, name, [values[row] for row in good])
    place = {row: i for i, row in enumerate(good)}
    for number, (rows, scores) in message.members.items():
        kept = [i for i, row in enumerate(rows.tolist()) if row in place]
        message.members[number] = np.array([place[r] for r in rows[kept].tolist()]), scores[kept]
    for digest, unknown in message.unknown.items():
        message.unknown[digest] = [(place[r], name) for r, name in unknown if r in place]


def answer_table(block: Block, ask: Ask) -> None:
    """The same for many records by column; a row without an answer has an error and no scores."""
    found = answers(block.choices, block.chosen, ask)
    block.choices, block.chosen = found.choices, found.chosen
    block.scores, block.members = found.scores, found.members
    for row, error in found.failed.items():
        block.errors[int(block.places[row])] = error
