"""Collecting what is wrong, and the lines that errors are on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sluice.declaration import Section, read_yaml
from sluice.errors import DeclarationError
from sluice.lines import line_of
from sluice.refusals import collecting, each, refuse

TEXT = """\
a:
  b.c: 1
  list:
    - {name: first}
    - name: second
      inner: {deep: 1}
  other: 2
"""


def read(section: Section) -> tuple[Any, ...]:
    taken = (
        section.take("text", str), section.take("number", float, 1.5), section.choose("one", "ab"),
        section.duration("time"), section.take("any", object), section.section("inner").names,
    )  # fmt: skip
    section.done()
    return taken


def test_the_first_is_raised_and_all_are_collected() -> None:
    data = {"text": 1, "number": "x", "one": "c", "time": "soon", "inner": 3, "x": 1, "y": 2}
    with pytest.raises(DeclarationError, match="text: expected text"):
        read(Section(data, "file"))
    with collecting() as found:
        taken = read(Section(data, "file"))
    assert taken == ("", 1.5, "a", 0.0, None, [])
    assert [e.where for e in found] == ["text", "number", "one", "time", "any", "inner", "x", "y"]


def test_what_follows_from_another_is_left_out() -> None:
    with collecting() as found:
        refuse(DeclarationError("f", "a.b", "wrong"), None)
        refuse(DeclarationError("f", "a.b.c", "is missing"), None)
        refuse(DeclarationError("f", "a.bc", "wrong"), None)
        refuse(DeclarationError("g", "a.b", "wrong"), None)
    assert [(e.file, e.where) for e in found] == [("f", "a.b"), ("f", "a.bc"), ("g", "a.b")]


def test_each_goes_on_and_raises_at_the_end() -> None:
    def odd(name: str, number: int) -> int:
        if number % 2 == 0:
            raise DeclarationError("f", name, "is even")
        return number

    assert each(odd, {"a": 1, "b": 3}) == {"a": 1, "b": 3}
    with pytest.raises(DeclarationError, match="b: is even"):
        each(odd, {"a": 1, "b": 2, "c": 4})
    reached = False
    with collecting() as found:
        each(odd, {"a": 1, "b": 2, "c": 4, "d": 5})
        reached = True
    assert [e.where for e in found] == ["b", "c"]
    assert not reached


@pytest.mark.parametrize(
    ("where", "line"),
    [
        ("a", 1), ("a.b.c", 2), ("a.b.c.d", 2), ("a.list[1].inner.deep", 6), ("a.list[0]", 4),
        ("a.list.second.inner", 6), ("a.list.third", 3), ("a.list[7]", 3), ("a.other", 7),
        ("b", None), ("", None), ("line 5", 5),
    ],
)  # fmt: skip
def test_lines(tmp_path: Path, where: str, line: int | None) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(TEXT, "utf-8")
    assert line_of(DeclarationError(file, where, "wrong")) == line


def test_lines_of_what_is_no_file(tmp_path: Path) -> None:
    assert line_of(DeclarationError("environment", "SLUICE_PORT", "wrong")) is None
    file = tmp_path / "x.yaml"
    file.write_text("a: }", "utf-8")
    with pytest.raises(DeclarationError) as error:
        read_yaml(file)
    assert line_of(error.value) == 1
    assert line_of(DeclarationError(file, "a", "wrong")) is None
