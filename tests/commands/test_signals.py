"""Commands that work until they are told to end."""

from __future__ import annotations

import signal

import pytest

from sluice.commands.signals import stopped_by_signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_asks_and_the_second_does_what_it_did(number: signal.Signals) -> None:
    told: list[str] = []
    before = signal.signal(number, lambda *_: told.append("at once"))
    try:
        with stopped_by_signals(lambda: told.append("in order")):
            signal.raise_signal(number)
            assert told == ["in order"]
            signal.raise_signal(number)
        assert told == ["in order", "at once"]
        signal.raise_signal(number)
        assert told[2:] == ["at once"]
    finally:
        signal.signal(number, before)
