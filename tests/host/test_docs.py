"""docs/host.md says what is so."""

from __future__ import annotations

import dataclasses

from sluice.host import HostOptions
from tests.host.running import ROOT

PAGE = (ROOT / "docs" / "host.md").read_text("utf-8")


def test_each_option_is_there_with_its_default() -> None:
    for option in dataclasses.fields(HostOptions):
        row, words = f"| `{option.name}` | {option.default} |", f"`{option.name}` {option.default}"
        assert row in PAGE or words in PAGE or f"`{option.name}` (" in PAGE, option.name
