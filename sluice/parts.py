"""Many requests as one message: what a stream sends through a graph at once.

Steps work on the records of a message, whosever they are: `join` puts the records of several
requests into one, and `split` gives each request what its reply is made of.
"""

from __future__ import annotations

from collections.abc import Sequence

from sluice.errors import SluiceError
from sluice.message import Message


def join(requests: Sequence[Message]) -> Message:
    """One message with the records of several; each request has one at least, and no pin."""
    message = Message([record for request in requests for record in request.records])
    message.parts = requests
    return message


def split(message: Message) -> Sequence[Message]:
    """The requests that share an answered message, each with its own part of it.

    That is what a reply and its event are made of: rows, values, defaults, ages, route, members,
    outputs, errors.
    """
    n = len(message.parts)
    if len(message.records) == n and message.rows == list(range(n)) and not message.figures:
        _split_lone(message)
        return message.parts
    owners: list[tuple[Message, int]] = []
    for part in message.parts:
        first = len(owners)
        owners += [(part, place) for place in range(len(part.records))]
        part.outputs = message.outputs[first : len(owners)]
        part.figures = {}
        part.rows, part.defaults, part.ages, part.route, part.errors = [], [], [], [], {}
        part.live, part.columns, part.values = message.live, message.columns, []
    rows = zip(
        message.rows, message.values, message.defaults, message.ages, message.route, strict=True
    )
    for record, values, defaults, ages, choice in rows:
        part, place = owners[record]
        part.rows.append(place)
        part.values.append(values)
        part.defaults.append(defaults)
        part.ages.append(ages)
        part.route.append(choice)
    for record, figures in message.figures.items():
        part, place = owners[record]
        part.figures[place] = figures
    for record, error in message.errors.items():
        part, place = owners[record]
        vars(error)["record"] = place
        part.errors[place] = error
    if message.members:
        _split_members(message, [owners[record][0] for record in message.rows])
    return message.parts


def _split_lone(message: Message) -> None:
    """`split` where each request has one record, and each record one row."""
    every = zip(
        message.parts, message.outputs, message.values, message.defaults, message.ages,
        message.route, strict=True,
    )  # fmt: skip
    live, columns = message.live, message.columns
    for part, output, values, defaults, ages, choice in every:
        part.live, part.columns, part.rows = live, columns, [0]
        part.outputs, part.values, part.defaults = [output], [values], [defaults]
        part.ages, part.route = [ages], [choice]
    if message.members:
        _split_members(message, message.parts)


def _split_members(message: Message, owners: Sequence[Message]) -> None:
    """Give each request the scores of its own rows; `owners` has the request of each row."""
    first: dict[int, int] = {}
    for row, part in enumerate(owners):
        first.setdefault(id(part), row)
    for number, (rows, scores) in message.members.items():
        parts = [owners[row] for row in rows.tolist()]
        begin = 0
        for end in range(1, len(parts) + 1):
            if end == len(parts) or parts[end] is not parts[begin]:
                part = parts[begin]
                mine = rows[begin:end] - first[id(part)]
                part.members = {**part.members, number: (mine, scores[begin:end])}
                begin = end


def share(message: Message) -> None:
    """Give each request its share of the time that the steps took: by records, so they add up."""
    count = len(message.records)
    of_one = {step: taken / count for step, taken in message.timings.items()}
    for part in message.parts:
        n = len(part.records)
        part.timings = of_one if n == 1 else {step: n * taken for step, taken in of_one.items()}


def refusal(part: Message) -> SluiceError | None:
    """Why a request that is a single record is not answered: it breaks the schema; else None."""
    return part.errors[0] if part.single and part.errors else None
