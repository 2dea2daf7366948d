"""Rows that are gathered one by one: the same as those that are handed over alone."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from sluice.live import Live
from sluice.message import Choice, Message
from sluice.routing.gathered import SIZE, Gathered
from sluice.routing.offered import Offered, of_message, unpack

LIVE = cast(Live, SimpleNamespace(versions={"2": SimpleNamespace(digest="d")}))


def message(number: int, **changes: Any) -> Message:
    made = Message([{"a": number}], id=f"r{number}", when=float(number))
    made.rows, made.live, made.shadows = [0], LIVE, ("2",)
    made.tensors = {"d": {"features": np.array([[number, np.nan, 0.5]], np.float32)}}
    made.route = [Choice("champion", "champion", "1")]
    made.scores = [np.array([number / 8], np.float32)]
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def flat(offered: Offered) -> Any:
    tensors = [unpack(t).tobytes() for named in offered.tensors.values() for t in named.values()]
    lists = offered.places, offered.times, offered.versions, offered.scores
    return offered.shadows, b"".join(tensors), *lists


def test_they_are_what_each_alone_hands_over() -> None:
    messages = [message(n) for n in range(5)]
    gathered = Gathered.of(messages[0])
    assert gathered is not None
    assert all(map(gathered.add, messages))
    together = gathered.take()()
    alone = [next(iter(of_message(m).offers())) for m in messages]
    assert flat(together)[0] == alone[0].shadows
    assert flat(together)[1] == b"".join(flat(one)[1] for one in alone)
    for place in range(2, 6):
        assert flat(together)[place] == [value for one in alone for value in flat(one)[place]]


def test_what_was_taken_is_gone_and_stays_what_it_was() -> None:
    gathered = Gathered.of(message(1))
    assert gathered is not None
    assert gathered.add(message(1))
    taken = gathered.take()
    assert len(gathered) == 0
    assert gathered.add(message(2))
    assert taken().places == ["r1/0"]
    assert gathered.take()().places == ["r2/0"]


def test_others_are_handed_over_alone() -> None:
    gathered = Gathered.of(message(0))
    assert gathered is not None
    other = cast(Live, SimpleNamespace(versions=LIVE.versions))
    assert not gathered.add(message(1, rows=[1]))
    assert not gathered.add(message(1, rows=[0, 1]))
    assert not gathered.add(message(1, live=other))
    assert not gathered.add(message(1, shadows=("3",)))
    assert not gathered.add(message(1, parts=(message(2),)))
    assert all(gathered.add(message(n)) for n in range(SIZE))
    assert not gathered.add(message(1))


def test_several_tensors_or_texts_are_not_gathered() -> None:
    one, text = np.zeros((1, 1), np.float32), np.array([["a"]], object)
    assert Gathered.of(message(0, tensors={"d": {"a": one, "b": one}})) is None
    assert Gathered.of(message(0, tensors={"d": {"a": text}})) is None
    two = SimpleNamespace(versions={**LIVE.versions, "3": SimpleNamespace(digest="e")})
    assert Gathered.of(message(0, live=two, shadows=("2", "3"))) is None
