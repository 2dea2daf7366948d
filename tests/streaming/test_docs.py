"""docs/stream.md: the declaration that it shows is the default one, and it names every metric."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
import yaml

from sluice.declaration import Section
from sluice.errors import DeclarationError
from sluice.parameters import StreamParameters
from sluice.streaming import meter
from sluice.streaming.topics import Topics
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "stream.md").read_text("utf-8")


def test_the_declaration_is_the_default() -> None:
    [block] = re.findall(r"```yaml\n(stream:.*?)```", PAGE, re.S)
    told = yaml.safe_load(block)["stream"]
    assert set(told) == {f.name for f in dataclasses.fields(StreamParameters)}
    parsed = StreamParameters.parse(Section(told, "docs/stream.md"))
    default = StreamParameters()
    for name in ("batch_records", "batch_ms", "window_s", "lease_s"):
        assert getattr(parsed, name) == getattr(default, name), name
    given = Topics.of("sluice", "flight-delay", parsed)
    assert given == Topics.of("sluice", "flight-delay", default)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"batch_records": 0}, "stream.batch_records: expected 1 to 10000, found 0"),
        ({"batch_ms": -1}, "stream.batch_ms: expected 0 to 60000"),
        ({"window_s": 1e9}, "stream.window_s: expected 0 to"),
        ({"lease_s": 0}, "stream.lease_s: expected 0.1 to 3600"),
        ({"batch_ms": "5"}, "stream.batch_ms: expected a number"),
        ({"bach_ms": 5}, "stream.bach_ms: unknown field .did you mean 'batch_ms'"),
    ],
)
def test_what_is_wrong_is_named(data: dict[str, object], problem: str) -> None:
    with pytest.raises(DeclarationError, match=problem):
        StreamParameters.parse(Section(data, "graph.yaml", "stream"))


def test_every_metric_is_on_the_page() -> None:
    source = Path(meter.__file__).read_text("utf-8")
    names = set(re.findall(r'"(sluice_\w+)"', source))
    assert len(names) > 6
    for name in names:
        assert f"`{name}" in PAGE, name


def test_every_header_of_a_dead_letter_is_on_the_page() -> None:
    source = Path(meter.__file__).with_name("dead_letter.py").read_text("utf-8")
    for name in set(re.findall(r'"(sluice-\w+)"', source)) - {"sluice-replayed"}:
        assert f"`{name}`" in PAGE, name
