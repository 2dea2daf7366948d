"""Answering records though some of them make the graph raise."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from random import Random

from sluice.batch.claims import Answer, Held
from sluice.errors import RequestError, SluiceError, StoreUnavailable, Unavailable

Scoring = Callable[[Sequence[Held]], list[Answer]]
PASSING = (StoreUnavailable, Unavailable)  # what trying again may mend
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
        _raise_unless_theirs(error)
        log.warning("a chunk of %d raised %r: looking for the record", len(records), error)
        if len(records) == 1:
            return [_failed(error)]
    chosen = Random(records[0].id).sample(range(len(records)), min(PROBES, len(records)))
    probes = [records[place] for place in chosen]
    found = {held.seq: _alone(scoring, held) for held in probes}
    raised = [e for e in found.values() if isinstance(e, Exception)]
    if len(raised) == len(probes) >= PROBES:
        raise GraphBroken(f"every record raises, first {_told(raised[0])}") from raised[0]
    rest = [held for held in records if held.seq not in found]
    found.update(zip([held.seq for held in rest], _halved(scoring, rest), strict=True))
    answers = [found[held.seq] for held in records]
    return [_failed(a) if isinstance(a, Exception) else a for a in answers]


def _alone(scoring: Scoring, held: Held) -> Answer | Exception:
    try:
        return scoring([held])[0]
    except Exception as error:
        _raise_unless_theirs(error)
        return error


def _halved(scoring: Scoring, records: Sequence[Held]) -> list[Answer | Exception]:
    if len(records) <= 1:
        return [_alone(scoring, held) for held in records]
    try:
        return list(scoring(records))
    except Exception as error:
        _raise_unless_theirs(error)
    middle = len(records) // 2
    return _halved(scoring, records[:middle]) + _halved(scoring, records[middle:])


def _raise_unless_theirs(error: Exception) -> None:
    """A defect may be due to a record, as may what a caller gets wrong; other errors never are."""
    ours = isinstance(error, SluiceError) and not isinstance(error, RequestError)
    if ours or isinstance(error, PASSING):
        raise error


def _failed(error: Exception) -> Answer:
    log.error("a record made the graph raise", exc_info=error)
    return Answer(None, None, _told(error))


def _told(error: Exception) -> str:
    return str(error) if isinstance(error, SluiceError) else f"{type(error).__name__}: {error}"
