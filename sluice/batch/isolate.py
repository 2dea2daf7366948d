"""Answering records though some of them make the graph raise."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from random import Random

from sluice.batch.claims import Answer, Held
from sluice.errors import SluiceError
from sluice.fault import halved, raise_unless_theirs, reason_of

Scoring = Callable[[Sequence[Held]], list[Answer]]
PROBES = 20
log = logging.getLogger("sluice")


class GraphBroken(SluiceError):
    """Every record that was tried raised: it is the graph, and not the records."""


def isolate(scoring: Scoring, records: Sequence[Held]) -> list[Answer]:
    """The answers to records. A record that makes scoring raise is found by halving, and fails.

    Raises what is not the records' fault: a dependency that is away, a version that is refused.
    Where a whole chunk raises, some records of it, at random, are tried first: when every one of
    them raises, GraphBroken is raised.
    """
    try:
        return scoring(records)
    except Exception as error:
        raise_unless_theirs(error)
        log.warning("a chunk of %d raised %r: looking for the record", len(records), error)
        if len(records) == 1:
            return [_failed(error)]
    chosen = Random(records[0].id).sample(range(len(records)), min(PROBES, len(records)))
    probes = [records[place] for place in chosen]
    found = {held.seq: _tried(scoring, [held])[0] for held in probes}
    raised = [e for e in found.values() if isinstance(e, Exception)]
    if len(raised) == len(probes) >= PROBES:
        raise GraphBroken(f"every record raises, first {reason_of(raised[0])}") from raised[0]
    rest = [held for held in records if held.seq not in found]
    found.update(zip([held.seq for held in rest], _tried(scoring, rest), strict=True))
    answers = [found[held.seq] for held in records]
    return [_failed(a) if isinstance(a, Exception) else a for a in answers]


def _tried(scoring: Scoring, records: Sequence[Held]) -> list[Answer | Exception]:
    """The answer to each record, or what it raises by itself."""
    if not records:
        return []

    def answer(rows: slice) -> list[Answer | Exception]:
        return list(scoring(records[rows]))

    def failed(error: Exception) -> list[Answer | Exception]:
        return [error]

    pieces = halved(answer, slice(0, len(records)), failed)
    return [one for piece in pieces for one in piece]


def _failed(error: Exception) -> Answer:
    log.error("a record made the graph raise", exc_info=error)
    return Answer(None, None, reason_of(error))
