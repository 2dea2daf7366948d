"""Files that people write are read strictly: each mistake is named with its place and a cure."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from sluice.declaration import Section, load_object, read_yaml
from sluice.errors import DeclarationError


def section(data: Any, where: str = "record.x") -> Section:
    return Section(data, "features.yaml", where)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "features.yaml"


@pytest.mark.parametrize(
    ("text", "place", "problem"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3", "'a' is written twice"),
        ("a:\n  b: 1\n  b: 2\n", "line 3", "'b' is written twice"),
        ("a: [1\nb: 2\n", "line 2", "expected"),
        ("a: !!python/object/apply:os.getcwd []\n", "line 1", "python/object"),
        ("a: !!python/name:os.system\n", "line 1", "python/name"),
        ("? [1, 2]\n: 3\n", "line 1", "text"),
        ("a: *nobody\n", "line 1", "undefined alias"),
        ("a: \x00\n", "", "not YAML"),
    ],
)
def test_broken_yaml_names_the_line(file: Path, text: str, place: str, problem: str) -> None:
    file.write_text(text, "utf-8")
    with pytest.raises(DeclarationError, match=problem) as error:
        read_yaml(file)
    assert error.value.where == place
    assert str(file) in str(error.value)


def test_a_file_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="no such file"):
        read_yaml(tmp_path / "none.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"a: \xff\n")
    with pytest.raises(DeclarationError, match="not YAML"):
        read_yaml(tmp_path / "bytes.yaml")


def test_anchors_and_merges_are_yaml(file: Path) -> None:
    file.write_text("base: &b {x: 1, y: 2}\nmade: {<<: *b, y: 3}\n", "utf-8")
    assert read_yaml(file)["made"] == {"x": 1, "y": 3}


@pytest.mark.parametrize("key", [True, 1, None, 2.5])
def test_a_key_that_is_no_text_is_refused(key: Any) -> None:
    with pytest.raises(DeclarationError, match="write it in quotes"):
        section({key: {"type": "number"}})


def test_an_unknown_field_is_refused_with_the_nearest() -> None:
    given = section({"typ": "number"})
    given.take("type", str, "")
    given.take("default", object, None)
    with pytest.raises(DeclarationError) as error:
        given.done()
    assert str(error.value) == (
        "features.yaml: record.x.typ: unknown field (did you mean 'type'? allowed: default, type)"
    )


@pytest.mark.parametrize(
    ("kind", "value", "problem"),
    [
        (str, 1, "expected text, found a whole number 1"),
        (int, True, "expected a whole number, found true or false True"),
        (int, 1.5, "expected a whole number, found a number 1.5"),
        (float, "1", "expected a number, found text '1'"),
        (float, False, "expected a number, found true or false False"),
        (bool, 1, "expected true or false, found a whole number 1"),
        (list, {}, "expected a list, found a mapping {}"),
    ],
)
def test_a_value_of_another_type_is_refused(kind: type, value: Any, problem: str) -> None:
    with pytest.raises(DeclarationError) as error:
        section({"a": value}).take("a", kind)
    assert str(error.value) == f"features.yaml: record.x.a: {problem}"


def test_whole_numbers_are_numbers_and_null_is_absent() -> None:
    assert section({"a": 3}).take("a", float) == 3.0
    assert section({"a": None}).take("a", str, "default") == "default"
    with pytest.raises(DeclarationError, match=r"record\.x\.a: is missing"):
        section({"a": None}).take("a", str)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("500ms", 0.5), ("90s", 90), ("15m", 900), ("2h", 7200), ("1.5d", 129600), (3, 3), (0.5, 0.5)],
)
def test_durations(text: Any, expected: float) -> None:
    assert section({"a": text}).duration("a") == expected


@pytest.mark.parametrize("text", ["", "2", "2 weeks", "-5s", "h", "1h30m", -5, math.nan])
def test_what_is_no_duration_is_refused(text: Any) -> None:
    with pytest.raises(DeclarationError, match=r"not a duration: .+write 500ms, 90s, 15m"):
        section({"a": text}).duration("a")


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("json", "not a dotted path"),
        ("", "not a dotted path"),
        (".dumps", "not a dotted path"),
        ("..json.dumps", "not a dotted path"),
        ("json..dumps", "not a dotted path"),
        ("__import__('os').getcwd()", "not a dotted path"),
        ("no_such_package.module.f", "importing no_such_package.module needs no_such_package"),
        ("json.dumpz", "json has no 'dumpz' .did you mean 'dump'"),
    ],
)
def test_a_path_that_leads_nowhere(path: str, problem: str) -> None:
    with pytest.raises(DeclarationError, match=problem) as error:
        load_object(path, "graph.yaml", "spec.x")
    assert str(error.value).startswith("graph.yaml: spec.x: ")


def test_a_path_is_looked_up() -> None:
    import json

    assert load_object("json.dumps", "graph.yaml", "x") is json.dumps
    assert load_object("json:dumps", "graph.yaml", "x") is json.dumps
