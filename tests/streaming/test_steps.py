"""Steps with topics between them: they answer what one process answers, whatever goes wrong."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sluice.errors import RequestError, StoreUnavailable
from sluice.message import Message as Body
from sluice.project import Project
from sluice.streaming.open import open_desk, open_service, opened
from sluice.streaming.passage import Origin, Passage
from sluice.streaming.stages import stages
from sluice.streaming.step_desk import StepDesk
from sluice.streams import Message, Record, Stream, open_stream
from tests.conftest import ROOT
from tests.streaming.fakes import TOPICS, make_service, record
from tests.streaming.shop import ask, ids, order, read, work_off
from tests.streams.fakes import FakeClock
from tests.tiny import ORDER, Tiny

CRASHES = int(os.environ.get("CRASHES", "5"))
STEPS = ("enrich", "transform", "router", "model", "postprocess")
LINE = stages(TOPICS, STEPS)
BODIES: list[Any] = [
    ORDER,
    [ORDER, {**ORDER, "amount": -1}, 7, {**ORDER, "city": None}],
    {"id": "theirs", "inputs": [ORDER, [*ORDER.values()]]},
    {"id": "told", "inputs": [ORDER], "explain": True},
    {**ORDER, "city": "Nowhere"},
    {**ORDER, "amount": -1},
    b'{"city": "Bonn", ',
    [],
    b"[" + b" " * 9_000_000 + b"]",
]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return str(tmp_path / "stream.log")


@pytest.fixture
def stream(url: str) -> Iterator[Stream]:
    stream = open_stream(url)
    yield stream
    stream.close()


def quiet(tiny: Tiny) -> Project:
    project = tiny.project
    return dataclasses.replace(
        project, settings=dataclasses.replace(project.settings, monitoring=False)
    )


def in_turns(project: Project, url: str, steps: Any = STEPS) -> list[Any]:
    """Each step, until it has nothing left; what each did."""
    done = []
    for step in steps:
        with opened(project, "binary", url, step=step, clock=FakeClock()) as (worker, drained, _):
            done.append(worker.run(drained))
    return done


def answers(stream: Stream) -> dict[str, Any]:
    """By the request's id, the answer, less the time of day that MLRun's has; or why not."""
    found: dict[str, Any] = {}
    for one in read(stream, TOPICS.predictions):
        found[str(one.key)] = {k: v for k, v in json.loads(one.value).items() if k != "timestamp"}
    for one in read(stream, TOPICS.dead_letters):
        about = {k: v for k, v in one.headers.items() if k not in ("sluice-time", "sluice-step")}
        assert one.headers["sluice-step"] in ("", "enrich")
        found[one.headers["sluice-request"]] = (one.key, one.value, about)
    return found


def test_steps_answer_what_one_process_answers(tiny: Tiny, tmp_path: Path) -> None:
    both: list[dict[str, Any]] = []
    for name in ("fused", "steps"):
        url = str(tmp_path / f"{name}.log")
        stream = open_stream(url, clock=FakeClock())
        ask(stream, BODIES)
        if name == "steps":
            done = in_turns(quiet(tiny), url)
            assert [d.answered for d in done] == [5] * 5
        else:
            with make_service(tiny) as service:
                work_off(service, url, tmp_path)
        both.append(answers(stream))
        stream.close()
    assert both[1].keys() == both[0].keys()
    assert len(both[0]) == len(BODIES)
    for id, wanted in both[0].items():
        assert both[1][id] == wanted, id


def test_each_step_has_its_topic_and_group() -> None:
    assert [stage.given for stage in LINE[:-1]] == [stage.taken[0] for stage in LINE[1:]]
    assert (LINE[0].taken, LINE[-1].given) == (
        (TOPICS.requests, "tiny.binary.enrich"), TOPICS.predictions,
    )  # fmt: skip
    assert LINE[0].group == TOPICS.group, "the layouts take over from each other"
    assert len({stage.group for stage in LINE}) == 5


def desk_of(tiny: Tiny, step: str) -> StepDesk:
    project = quiet(tiny)
    desk = open_desk(project, open_service(project, "binary", step), step=step)
    assert isinstance(desk, StepDesk)
    return desk


def at(step: str, value: bytes, offset: int = 0) -> Record:
    """A record on a step's topic."""
    return Record(f"tiny.binary.{step}", 0, offset, "r", value, {}, 1_700_000_000.0)


def passed(tiny: Tiny, *steps: str, body: Any = ORDER) -> bytes:
    """The value that the last of some steps puts on the next one's topic."""
    one = record(body, key="r")
    for step in steps:
        desk = desk_of(tiny, step)
        [(_, sent)] = desk.answer([one])
        desk.service.close()
        one = at(step, sent.value)
    return sent.value


@pytest.mark.parametrize("step", STEPS[1:])
def test_poison_between_steps_names_the_step(tiny: Tiny, step: str) -> None:
    desk = desk_of(tiny, step)
    newer = b'{"format":2,"origin":{},"message":{}}'
    outputs = desk.answer([at(step, b"{"), at(step, b"[1]"), at(step, newer)])
    assert {topic for topic, _ in outputs} == {TOPICS.dead_letters}
    for place, (_, letter) in enumerate(outputs):
        assert (letter.headers["sluice-step"], letter.headers["sluice-status"]) == (step, "400")
        assert letter.value == [b"{", b"[1]", newer][place]
    assert "format 2 is not read" in outputs[2][1].headers["sluice-reason"]
    desk.service.close()


def test_a_dead_letter_of_a_later_step_is_the_request(tiny: Tiny) -> None:
    """It can be put back, and begins at the first step."""
    body = {"id": "mine", "inputs": [ORDER, {**ORDER, "visits": 9}]}
    value = passed(tiny, "enrich", "transform", body=body)
    desk = desk_of(tiny, "router")
    topic, letter = desk.refuse(at("router", value), ValueError("too large for the next"))
    assert topic == TOPICS.dead_letters
    assert json.loads(letter.value) == body
    told = letter.headers
    assert (told["sluice-request"], told["sluice-key"]) == ("mine", "r")
    assert (letter.key, told["sluice-source"]) == (f"{TOPICS.requests}/0/0",) * 2
    assert (told["sluice-step"], told["sluice-status"]) == ("router", "500")
    desk.service.close()


def test_what_is_away_is_nobodys_fault(tiny: Tiny) -> None:
    desk = desk_of(tiny, "transform")

    def away() -> Any:
        raise StoreUnavailable("no store")

    desk.service.application.live = away  # type: ignore[method-assign]
    with pytest.raises(StoreUnavailable):
        desk.answer([at("transform", passed(tiny, "enrich"))])
    desk.service.close()


def other_version(shop: Tiny) -> str:
    """A version that is not the champion."""
    champion = shop.models.aliases("binary")["champion"].version
    return next(n for n in ("1", "2", "3") if n != champion)


def test_a_message_of_a_version_that_is_gone_begins_anew(
    shop: Tiny, stream: Stream, url: str
) -> None:
    """Requests wait before the model; the champion moves; the new one answers them."""
    project, old = quiet(shop), shop.models.aliases("binary")["champion"].version
    ask(stream, [order(i) for i in range(20)])
    in_turns(project, url, STEPS[:3])
    new = other_version(shop)
    shop.models.promote("binary", new)
    in_turns(project, url, STEPS[3:])
    assert read(stream, TOPICS.predictions) == []
    in_turns(project, url)
    found = [json.loads(one.value) for one in read(stream, TOPICS.predictions)]
    assert sorted(one["id"] for one in found) == sorted(f"r{i}" for i in range(20))
    assert {one["version"] for one in found} == {new} != {old}
    assert read(stream, TOPICS.dead_letters) == []


def test_a_message_does_not_go_round_for_ever(tiny: Tiny) -> None:
    passage = Passage.unpack(passed(tiny, "enrich", "transform", "router"))
    message = passage.message
    message.route = [dataclasses.replace(choice, version="99") for choice in message.route]
    desk = desk_of(tiny, "model")
    [(topic, sent)] = desk.answer([at("model", passage.pack())])
    again = Passage.unpack(sent.value)
    assert (topic, again.origin.again) == ("tiny.binary.enrich", 1)
    assert (again.message.route, again.message.rows, again.message.id) == ([], [], "r")
    assert again.message.when == message.when, "its time stays the request's"
    origin = Origin("tiny.binary.requests/0/7", "r", {}, again=8)
    [(topic, letter)] = desk.answer([at("model", Passage(origin, message).pack())])
    assert (topic, letter.headers["sluice-status"]) == (TOPICS.dead_letters, "503")
    desk.service.close()


def test_what_a_passage_holds_is_checked() -> None:
    passage = Passage(Origin("t/0/1", None, {"a": "b"}, mlrun=True), Body([1], "r", 5.0))
    back = Passage.unpack(passage.pack())
    assert (back.origin, back.message.records) == (passage.origin, [1])
    for broken in (b"1", b"{}", b'{"format":1,"origin":{},"message":{}}'):
        with pytest.raises(RequestError):
            Passage.unpack(broken)


def test_a_request_that_is_sent_twice_is_answered_once(
    tiny: Tiny, stream: Stream, url: str
) -> None:
    for _ in range(2):
        ask(stream, [order(i) for i in range(30)])
        in_turns(quiet(tiny), url)
    assert ids(read(stream, TOPICS.predictions)) == [f"r{i}" for i in range(30)]


def start(tiny: Tiny, url: str, *more: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "sluice.cli", "stream", "binary", "--stream", url, *more]
    own = {n: v for n, v in os.environ.items() if not n.startswith("SLUICE_")}
    places = {"SLUICE_PROJECT": str(tiny.root), "SLUICE_STATE": str(tiny.root / ".sluice")}
    environ = {**own, **places, "PYTHONPATH": str(ROOT)}
    log = subprocess.DEVNULL
    return subprocess.Popen(command, cwd=tiny.root, env=environ, stdout=log, stderr=log)


def await_answers(stream: Stream, count: int, limit_s: float = 60.0) -> None:
    until = time.monotonic() + limit_s
    while sum(end for _, end in stream.bounds(TOPICS.predictions).values()) < count:
        assert time.monotonic() < until, f"not {count} within {limit_s} s"
        time.sleep(0.05)


def children(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_five_processes_of_which_some_are_killed(shop: Tiny, stream: Stream, url: str) -> None:
    text = "      features: features.yaml\n"
    own = "      stream: {batch_records: 8, lease_s: 0.5}\n"
    shop.edit("graphs/binary/graph.yaml", text, text + own)
    rng, count = random.Random(7), 200 * (CRASHES + 1)
    bodies: list[Any] = [order(i) for i in range(count)]
    bodies[17] = b"poison"
    line = start(shop, url, "--layout", "steps")
    for crash in range(CRASHES + 1):
        first = crash * 200
        messages = [
            Message(b if isinstance(b, bytes) else json.dumps(b).encode(), f"r{first + i}")
            for i, b in enumerate(bodies[first : first + 200])
        ]
        stream.producer(durable=False).produce_many(TOPICS.requests, messages)
        await_answers(stream, first + 20)
        if crash < CRASHES and len(there := children(line.pid)) > 1:
            os.kill(rng.choice(there), signal.SIGKILL)
    await_answers(stream, count - 1)
    line.send_signal(signal.SIGTERM)
    assert line.wait(30) == 0
    assert ids(read(stream, TOPICS.predictions)) == [f"r{i}" for i in range(count) if i != 17]
    [letter] = read(stream, TOPICS.dead_letters)
    assert (letter.headers["sluice-step"], letter.value) == ("enrich", b"poison")


def test_once_ends_when_all_steps_have_nothing_left(tiny: Tiny, stream: Stream, url: str) -> None:
    ask(stream, [order(i) for i in range(40)])
    assert start(tiny, url, "--layout", "steps", "--once").wait(60) == 0
    assert ids(read(stream, TOPICS.predictions)) == [f"r{i}" for i in range(40)]


def test_a_step_that_can_not_work_ends_them_all(tiny: Tiny, tmp_path: Path) -> None:
    command = start(tiny, "nothing://here", "--layout", "steps")
    assert command.wait(60) == 1


def test_a_step_that_is_not_there(tiny: Tiny, url: str) -> None:
    assert start(tiny, url, "--step", "enritch", "--once").wait(60) == 1
