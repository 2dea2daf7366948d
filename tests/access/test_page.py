"""docs/security.md: its commands run, its settings exist, its links lead somewhere."""

from __future__ import annotations

import re
import shlex
from dataclasses import fields

import pytest

from sluice.access.keys import digest_of, parse
from sluice.cli import main
from sluice.settings import Settings
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text("utf-8")
COMMANDS = re.findall(r"^sluice (.*)$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_key_is_printed_once_with_the_entry_that_knows_it(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(shlex.split(command, comments=True)) == 0
    printed = capsys.readouterr().out
    key = re.findall(r"sluice_\S{43}\b", printed)
    [entry] = re.findall(r"\w+:[0-9a-f]{64}\S*", printed)
    assert len(key) == 1
    assert parse([entry], "", "")[0].digest == digest_of(key[0])
    assert ("flight-delay" in command) == entry.endswith(":flight-delay")


def test_a_name_that_would_not_be_read_back(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "new", "a:b"]) == 1
    assert capsys.readouterr().out == ""


def test_its_settings_exist() -> None:
    named = {name.lower() for name in re.findall(r"SLUICE_([A-Z_]+)", PAGE)}
    named |= set(re.findall(r"\[(\w+)\]\(settings.md\)", PAGE))
    assert len(named) > 5
    assert named <= {f.name for f in fields(Settings)}


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert (ROOT / "docs" / target).exists(), target
