"""The page says what the command takes."""

from __future__ import annotations

import argparse
from pathlib import Path

from sluice.commands import replay

PAGE = Path(__file__).parents[2] / "docs" / "replay.md"


def test_every_option_is_on_the_page() -> None:
    top = argparse.ArgumentParser()
    groups = top.add_subparsers()
    replay.add_to(groups)
    text = PAGE.read_text("utf-8")
    options = [o for o in groups.choices["replay"].format_help().split() if o.startswith("--")]
    names = {o.strip(",]") for o in options} - {"--help"}
    assert len(names) == 10
    for name in names:
        assert f"`{name}`" in text, f"{name} is not on docs/replay.md"


def test_the_picture_is_there() -> None:
    assert "](replay.png)" in PAGE.read_text("utf-8")
    assert PAGE.with_name("replay.png").read_bytes().startswith(b"\x89PNG")
