"""docs/drift.md: its examples run, and what can be declared and measured is in it."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from sluice.drift.settings import DETECTORS, ChangeSettings, DriftSettings

PAGE = (Path(__file__).parents[2] / "docs" / "drift.md").read_text("utf-8")


def test_the_examples_print_what_the_page_says(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.S):
        exec(block, names)
        printed = capsys.readouterr().out.strip()
        told = "\n".join(re.findall(r"print\(.*\)  # (.*)", block))
        assert told
        assert told in (printed, "value, low, high")
    assert names["expected"].metrics["log_loss"].low < names["expected"].metrics["log_loss"].high
    assert len(names["later"]) == 2


def test_every_setting_is_there_with_its_default() -> None:
    declared = PAGE.partition("## What is declared")[2].partition("\n## ")[0]
    for field in fields(DriftSettings):
        assert field.name == "changes" or f"`{field.name}`" in declared
    for field in fields(ChangeSettings):
        assert f"`changes.{field.name}`" in declared
    for detector in DETECTORS:
        assert f"`{detector}`" in PAGE
