"""The training jobs, as plain functions."""

from __future__ import annotations

import pytest

from functions.train.function import train
from sluice.errors import DeclarationError
from tests.tiny import Tiny


def test_candidates_that_nothing_compares_are_refused_before_they_are_fitted(
    shop: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLUICE_PROJECT", str(shop.root))
    monkeypatch.setenv("SLUICE_STATE", ".sluice")
    before = shop.models.versions("binary")
    with pytest.raises(
        DeclarationError, match=r"holdout: 0\.2 of 2 rows leaves none to compare on"
    ):
        train(graph="binary", window={"rows": 2})
    assert shop.models.versions("binary") == before
