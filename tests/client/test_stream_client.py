"""The client of the stream: what is submitted is answered under its id."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from sluice.client.client import Client
from sluice.client.stream import Stream
from sluice.errors import DeadlineExceeded, RequestError, TooLarge
from sluice.parameters import StreamParameters
from sluice.service import Service
from sluice.streaming.desk import Limits
from sluice.streaming.worker import Worker
from sluice.streams import open_stream
from tests.streaming.fakes import TOPICS, make_desk, make_service
from tests.streaming.shop import ask, order
from tests.streams.fakes import FakeClock
from tests.tiny import ORDER, Tiny


@pytest.fixture(scope="module")
def service(tiny: Tiny) -> Iterator[Service]:
    with make_service(tiny) as service:
        yield service


@pytest.fixture
def url(tmp_path: Path) -> str:
    return str(tmp_path / "stream.log")


@contextmanager
def worked_off(
    service: Service, url: str, folder: Path, limits: Limits | None = None
) -> Iterator[None]:
    """A worker in a thread, while the block runs."""
    stream = open_stream(url)
    pipe = stream.pipe(TOPICS.group, [TOPICS.requests], window_s=60)
    desk = make_desk(service, folder, time, limits)
    worker = Worker(pipe, desk, StreamParameters(), clock=time)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield
    finally:
        worker.stop()
        thread.join()
        stream.close()


def test_submit_and_wait(service: Service, url: str, tmp_path: Path) -> None:
    before = open_stream(url)
    ask(before, [order(5)])  # somebody else's, answered before and after
    with worked_off(service, url, tmp_path), Stream(url, "tiny", "binary") as client:
        one, two = client.submit(ORDER), client.submit([ORDER, {**ORDER, "amount": "much"}], "two")
        reply = client.wait(two, 30)
        assert reply["id"] == two == "two"
        assert reply["outputs"][0] == service.predict(ORDER)
        assert "amount: expected a number" in reply["outputs"][1]["error"]
        assert client.wait(one, 30)["outputs"] == [service.predict(ORDER)]
        with pytest.raises(RequestError, match="was not submitted by this client, or waited"):
            client.wait(one)
        with pytest.raises(RequestError, match="id: expected 1 to 200"):
            client.submit(ORDER, "")
        assert client._kept == {}
    before.close()


def test_a_dead_letter_is_the_error_of_its_status(
    service: Service, url: str, tmp_path: Path
) -> None:
    with (
        worked_off(service, url, tmp_path, Limits(records=2)),
        Stream(url, "tiny", "binary") as client,
    ):
        id = client.submit([ORDER] * 3)
        with pytest.raises(TooLarge, match="3 records in one request: at most 2"):
            client.wait(id, 30)


def test_an_answer_that_takes_too_long(url: str) -> None:
    clock = FakeClock()
    with Stream(url, "tiny", "binary", clock=clock) as client:
        id = client.submit(ORDER)
        for _ in range(2):
            before = clock.now
            with pytest.raises(DeadlineExceeded, match=f"request {id} has no answer after 3 s"):
                client.wait(id, 3)
            assert 3 <= clock.now - before < 3.1


def test_an_answer_from_before_the_first_wait_is_seen(
    service: Service, url: str, tmp_path: Path
) -> None:
    """Also when the topic of predictions was not there before."""
    with Stream(url, "tiny", "binary") as client:
        made = [client.submit(order(i)) for i in range(20)]
        with worked_off(service, url, tmp_path):
            assert [client.wait(id, 30)["id"] for id in reversed(made)] == made[::-1]


def test_the_client_of_a_project(service: Service, tiny: Tiny, url: str, tmp_path: Path) -> None:
    project = tiny.project
    project = replace(project, settings=replace(project.settings, stream=url))
    with worked_off(service, url, tmp_path), Client("binary", project) as client:
        assert client.wait(client.submit(ORDER), 30)["model_name"] == "binary"
