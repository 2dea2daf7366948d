"""Taking old records out of the embedded log now, whether or not anybody writes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from sluice.environment import Environment
from sluice.streams.block import drop_oldest
from sluice.streams.layout import Topic, Txn, get_states, get_topic, put_states

_AT_ONCE = 256  # blocks in one transaction


def expire(env: Environment, topic: str, before: float) -> Iterator[int]:
    """Take away the blocks of a topic that were written before a moment (epoch s).

    Yields how many records went, some at a time; each step is a short transaction. As with the
    retention of producers no reader is waited for. A topic that only a Sluice without blocks has
    written to stays as it is until somebody writes to it.
    """
    found = env.read(get_topic, topic)
    while found is not None:
        records, more = env.write(partial(_step, found, before))
        if records:
            yield records
        if not more:
            return


def _step(topic: Topic, before: float, txn: Txn) -> tuple[int, bool]:
    states = get_states(txn, topic) or []
    budget, first = _AT_ONCE, sum(state.first for state in states)
    for number, state in enumerate(states):
        while budget and state.first < state.next and state.oldest < before:
            drop_oldest(txn, topic, number, state, last=True)
            budget -= 1
    if budget < _AT_ONCE:
        put_states(txn, topic, states)
    return sum(state.first for state in states) - first, not budget
