"""What a run writes into a page, and nothing beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.page import fill, markdown

DOCS = Path(__file__).parents[2] / "docs"
PAGE = "before\n<!-- speed: written by make bench -->\n{}<!-- end of speed -->\nafter\n"


def test_what_stands_between_the_marks_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE.format("old\n"))
    for text in ("new", "newer"):
        fill(page, "speed", text)
        assert page.read_text() == PAGE.format(f"\n{text}\n\n")


def test_a_page_without_the_marks_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- speed: written by make bench -->\n")
    with pytest.raises(ValueError, match="no place for speed"):
        fill(page, "speed", "new")
    assert page.read_text() == "<!-- speed: written by make bench -->\n"


def test_a_table() -> None:
    assert markdown(["a", "b"], [["x", "1"]]) == "| a | b |\n| --- | ---: |\n| x | 1 |"


@pytest.mark.parametrize(
    ("page", "name"),
    [("scaling.md", "scaling"), ("scaling.md", "density"), ("peers.md", "peers")],
)
def test_the_pages_have_a_place_for_what_a_run_writes(page: str, name: str, tmp_path: Path) -> None:
    copy = tmp_path / page
    copy.write_text((DOCS / page).read_text("utf-8"), "utf-8")
    fill(copy, name, "new")
    assert "\nnew\n" in copy.read_text("utf-8")
