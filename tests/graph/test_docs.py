"""docs/graph.md names all that is refused, and the version of MLRun that it was checked against."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest

from sluice.graph import refused

PAGE = (Path(__file__).parents[2] / "docs" / "graph.md").read_text("utf-8")
NAMES = {
    *refused.STEP_KINDS, *refused.CLASS_NAMES, *refused.STEP_FIELDS, *refused.GRAPH_FIELDS,
    *refused.FUNCTION_FIELDS, *refused.SECRET_KINDS, *refused.CONTEXT,
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(NAMES))
def test_what_is_refused_is_on_the_page(name: str) -> None:
    assert name in PAGE.split("## Refused")[1]


def test_the_version_is_the_one_that_is_tested() -> None:
    assert f"**mlrun {version('mlrun')}**" in PAGE
