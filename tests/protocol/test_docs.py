"""docs/http.md: each request in it is asked, and its reply has the status and the shape there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from sluice.project import Project
from sluice.protocol.feedback import Feedback
from sluice.protocol.surface import Surface
from sluice.service import Service
from tests.conftest import ROOT
from tests.protocol.events import raw

TEXT = (ROOT / "docs" / "http.md").read_text("utf-8")
SAME = ("error", "accepted", "model", "model_name", "datatype", "ready", "live", "name", "shape")


class Example(NamedTuple):
    """A request and its reply."""

    method: str
    path: str
    body: str
    status: int
    reply: Any


def examples() -> Iterator[Example]:
    blocks = re.findall(r"```http\n(.*?)```", TEXT, re.DOTALL)
    for asked, answered in zip(blocks[::2], blocks[1::2], strict=True):
        line, _, body = asked.partition("\n\n")
        method, path = line.split()
        head, _, reply = answered.partition("\n\n")
        yield Example(method, path, body.strip(), int(head.split()[0]), json.loads(reply))


@pytest.fixture(scope="module")
def surface(flights: Path) -> Iterator[Surface]:
    project = Project.read(flights)
    with Service.open(project, "flight-delay") as service:
        yield Surface(service, feedback=Feedback.open(project, "flight-delay"))


@pytest.mark.parametrize("example", list(examples()))
def test_a_request_has_the_reply_that_the_page_shows(surface: Surface, example: Example) -> None:
    answer = surface.answer(raw(example.body.encode(), example.path, example.method))
    assert answer.status == example.status
    alike(example.reply, json.loads(answer.body))


def alike(shown: Any, found: Any, name: str = "") -> None:
    """The same fields of the same types; numbers and ids differ from one training to the next."""
    assert type(found) is type(shown), name
    if isinstance(shown, dict) and name == "defaults":
        assert set(found.values()) <= {"missing", "null", "unknown", "stale", "empty"}
    elif isinstance(shown, dict):
        assert list(found) == list(shown)
        for key, value in shown.items():
            alike(value, found[key], key)
    elif isinstance(shown, list):
        for one, other in zip(shown, found, strict=False):  # a list may be shortened
            alike(one, other, name)
    elif name in SAME:
        assert found == shown


def test_every_path_is_on_the_page(surface: Surface) -> None:
    document = json.loads(surface.answer(raw(b"", "/openapi.json", "GET")).body)
    for path in document["paths"]:
        shown = path.replace("flight-delay", "{name}").replace("predict", "infer")
        tail = shown.removeprefix("/v2/models/{name}")
        assert shown in TEXT or tail.removeprefix("/versions/{version}") in TEXT, path
    for status in document["components"]["responses"]:
        assert status in TEXT
