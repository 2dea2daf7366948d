"""sluice models, as a person runs it."""

from __future__ import annotations

import pytest

from sluice.cli import main
from tests.tiny import Tiny


@pytest.fixture
def here(shop: Tiny, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    monkeypatch.setenv("SLUICE_PROJECT", str(shop.root))
    monkeypatch.setenv("SLUICE_STATE", ".sluice")
    return shop


def test_a_rollback_to_what_servers_would_refuse_is_refused(
    here: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    here.models.promote("binary", "1")  # the one before, 2, uses the column that changes
    here.edit("features.yaml", "default: 10", "default: 11")
    assert main(["models", "rollback", "binary"]) == 1
    assert "weather.temp has changed: default was 10.0, is 11.0" in capsys.readouterr().err
    assert here.models.aliases("binary")["champion"].version == "1"


def test_a_rollback_goes_back(here: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    here.models.promote("binary", "1")
    assert main(["models", "rollback", "binary"]) == 0
    assert capsys.readouterr().out.startswith("binary: champion is version 2")
    assert here.models.aliases("binary")["champion"].version == "2"
