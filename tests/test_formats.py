"""The list of formats, its page, and the numbers in the code are the same."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from sluice.formats import FORMATS, Format

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "formats.md"
NOT_WRITTEN = {"sluice.drift.distribution:_FORMAT"}  # tells cells of columns apart


def rows() -> dict[str, tuple[int, str, str]]:
    """By format: number, what is read, what it was before."""
    found = {}
    for line in PAGE.read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and len(cells) == 5 and cells[2].isdigit():
            assert cells[0] not in found
            found[cells[0]] = int(cells[2]), cells[3], cells[4]
    return found


def numbers(file: Path) -> Iterator[str]:
    """Each number of a format that a file of ours names, "module:NAME"."""
    module = ".".join(file.relative_to(ROOT).with_suffix("").parts)
    for node in ast.parse(file.read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name, value = node.targets[0].id, node.value
            if isinstance(value, ast.Call) and ast.unparse(value.func) == "Kind":
                given = {k.arg: k.value for k in value.keywords}.get("format")
                if isinstance(given, ast.Constant):
                    yield f"{module}:{name}"
            elif name.endswith("FORMAT") and isinstance(value, ast.Constant):
                yield f"{module}:{name}"


def test_every_number_in_the_code_is_on_the_list() -> None:
    files = sorted((ROOT / "sluice").rglob("*.py"))
    found = {name for file in files for name in numbers(file)} - NOT_WRITTEN
    assert found == {entry.code for entry in FORMATS}


def test_every_format_has_its_row_on_the_page() -> None:
    assert list(rows()) == [entry.name for entry in FORMATS]


@pytest.mark.parametrize("entry", FORMATS, ids=lambda entry: str(entry.name))
def test_the_page_says_the_numbers_of_the_code(entry: Format) -> None:
    number, reads, before = rows()[entry.name]
    assert number == entry.number
    assert reads == (f"{entry.oldest}–{number}" if entry.oldest < number else str(number))
    assert before.startswith("since ") == (number > 1)


def test_each_reads_the_number_before_its_own() -> None:
    assert all(1 <= entry.oldest <= max(1, entry.number - 1) for entry in FORMATS)
