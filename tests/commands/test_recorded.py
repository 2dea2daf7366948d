"""Commands that play a recorded time: what they ask for, and how they are interrupted."""

from __future__ import annotations

import pytest

from sluice.cli import main
from sluice.commands.recorded import resumable

WHEN = ["flight-delay", "--from", "2013-04", "--to", "2013-04"]


def test_an_interruption_says_where_it_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt), resumable("from here"):
        raise KeyboardInterrupt
    assert capsys.readouterr().out == "stopped: the same command goes on from here\n"


@pytest.mark.parametrize(("command", "option"), [("replay", "--at-once"), ("simulate", "--every")])
def test_none_of_them_plays_nothing(
    command: str, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, *WHEN, option, "0"]) == 1
    assert f"{option} 0: expected a number above 0" in capsys.readouterr().err
