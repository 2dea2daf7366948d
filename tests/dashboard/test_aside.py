"""Who makes the page beside replies: started when it is wanted, again when it is gone."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from sluice.dashboard.aside import Aside, Asked
from sluice.dashboard.dashboard import Dashboard
from sluice.dashboard.process import Process
from sluice.errors import Unavailable
from sluice.host.event import Event
from sluice.protocol.http import Answer, Request
from tests.monitoring.test_emitter import until
from tests.windows.world import World


def asking(target: str = "/dashboard") -> Request:
    return Request(Event(method="GET", target=target))


class Fake:
    """A maker that does what `before` does first."""

    def __init__(self, before: Callable[[], object] = lambda: None) -> None:
        self.before, self.ended = before, False

    def ask(self, asked: Asked, longest_s: float) -> Answer:
        self.before()
        return Answer(200, f"{asked[0]} {asked[1]} {longest_s}".encode())

    def end(self) -> None:
        self.ended = True


class Started:
    """Starts fakes, one after the other, with these."""

    def __init__(self, *before: Callable[[], object]) -> None:
        self.left = [Fake(one) for one in before]
        self.makers: list[Fake] = []

    def __call__(self) -> Fake:
        if not self.left:
            raise OSError("no process can be had")
        self.makers.append(self.left.pop(0))
        return self.makers[-1]


def well() -> None: ...


def gone() -> None:
    raise EOFError


def broken() -> None:
    raise BrokenPipeError


def defect() -> None:
    raise ValueError("a secret")


def slow() -> None:
    raise TimeoutError


def test_one_answers_all() -> None:
    start = Started(well)
    aside = Aside(start, longest_s=3.0)
    for target in ("/dashboard", "/dashboard/data.json?version=2"):
        answer = aside.answer(asking(target))
        assert answer.later is not None
        path, _, query = target.partition("?")
        wanted = dict([query.split("=")]) if query else {}
        assert answer.waited() == Answer(200, f"{path} {wanted} 3.0".encode())
    assert len(start.makers) == 1


@pytest.mark.parametrize("first", [gone, broken])
def test_one_that_is_gone_is_started_again(first: Callable[[], object]) -> None:
    start = Started(first, well)
    assert Aside(start).answer(asking()).waited().status == 200
    assert [maker.ended for maker in start.makers] == [True, False]


@pytest.mark.parametrize(
    ("befores", "status"),
    [([gone, gone, well], 503), ([slow, well], 503), ([defect, well], 500), ([], 503)],
    ids=["gone twice", "slow", "a defect", "no process"],
)
def test_what_is_wrong_is_told_and_the_next_is_answered(
    befores: list[Callable[[], object]], status: int
) -> None:
    start = Started(*befores)
    aside = Aside(start)
    answer = aside.answer(asking()).waited()
    assert answer.status == status
    assert b"secret" not in answer.body
    assert all(maker.ended for maker in start.makers)
    if befores:
        assert aside.answer(asking()).waited().status == 200


def test_it_is_ended_when_nobody_asks() -> None:
    start = Started(well, well)
    aside = Aside(start, idle_s=0.01)
    assert aside.answer(asking()).waited().status == 200
    until(lambda: start.makers[0].ended)
    assert aside.answer(asking()).waited().status == 200
    until(lambda: start.makers[1].ended)


def test_those_who_wait_are_so_many_at_most() -> None:
    go = threading.Event()
    aside = Aside(Started(go.wait))
    waiting = [aside.answer(asking()) for _ in range(20)]
    with pytest.raises(Unavailable, match="too many wait"):
        waiting += [aside.answer(asking()) for _ in range(100)]
    cancelled = waiting.pop().later
    assert cancelled is not None
    assert cancelled.future.cancel()  # the host gave up: nobody makes it
    go.set()
    assert {answer.waited().status for answer in waiting} == {200}


@contextmanager
def process(world: World) -> Iterator[Process]:
    made = Process(world.project, "binary")
    try:
        yield made
    finally:
        made.end()


def test_the_process_answers_as_the_dashboard_does(busy: World) -> None:
    here = Dashboard(busy.project, "binary", far=False)
    with process(busy) as made:
        assert made.ask(("/dashboard", {"version": "2"}), 20.0) == here.page({"version": "2"})
        assert made.ask(("/dashboard/data.json", {}), 20.0) == here.data({})
        wrong = made.ask(("/dashboard", {"until": "soon"}), 20.0)
        assert (wrong.status, b"until" in wrong.body) == (400, True)
        assert os.getpriority(os.PRIO_PROCESS, made.pid) > 0  # it gives way


def test_a_process_that_takes_too_long_or_dies(busy: World) -> None:
    with process(busy) as made:
        with pytest.raises(TimeoutError):
            made.ask(("/dashboard", {}), 0.0)
        os.kill(made.pid, signal.SIGKILL)
        with pytest.raises((EOFError, OSError)):
            made.ask(("/dashboard", {}), 20.0)


def test_the_process_ends_with_its_line(busy: World) -> None:
    with process(busy) as made:
        made.ask(("/dashboard", {}), 20.0)
    with pytest.raises(ProcessLookupError):
        os.kill(made.pid, 0)
