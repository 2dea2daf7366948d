"""Versions go into the project's store together; where that fails, the next import goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sluice.errors import StoreUnavailable
from sluice.importing.staging import Checked, move_in
from sluice.models.folder import FolderStore
from tests.models.samples import FILES, draft

EVIDENCE = {"parity": {"rows": 3}}


class Failing(FolderStore):
    """A store that is away when it has taken so many versions, or so many moves of aliases."""

    def __init__(self, root: Path, versions: int = 9, moves: int = 9) -> None:
        super().__init__(root)
        self.left = {"log": versions, "promote": moves}

    def _take(self, what: str) -> None:
        if not self.left[what]:
            raise StoreUnavailable("the store is away")
        self.left[what] -= 1

    def log(self, *args: Any) -> str:
        self._take("log")
        return super().log(*args)

    def promote(self, *args: Any) -> Any:
        self._take("promote")
        return super().promote(*args)


@pytest.fixture
def staged(tmp_path: Path) -> FolderStore:
    """Three versions; the last two are the same but for their numbers."""
    store = FolderStore(tmp_path / "staged")
    for seed in (1, 2, 2):
        store.log("iris", draft(training={"seed": seed}), FILES)
    return store


CHECKED = [
    Checked("m1", "1", ["m1", "champion"], EVIDENCE),
    Checked("m2", "2", ["m2"], EVIDENCE),
    Checked("m3", "3", ["m3"], EVIDENCE),
]


def test_numbers_aliases_and_evidence(staged: FolderStore, tmp_path: Path) -> None:
    models = FolderStore(tmp_path / "models")
    models.log("iris", draft(training={"seed": 7}), FILES)
    assert move_in("iris", CHECKED, staged, models) == {"m1": "2", "m2": "3", "m3": "4"}
    named = {alias: found.version for alias, found in models.aliases("iris").items()}
    assert named == {"m1": "2", "champion": "2", "m2": "3", "m3": "4"}
    assert {move.by for move in models.history("iris")} == {"import"}
    assert [move.evidence for move in models.history("iris")] == [EVIDENCE] * 4
    assert models.read("iris", "3").files == staged.read("iris", "2").files


@pytest.mark.parametrize("fails", [{"versions": 2}, {"moves": 0}, {"moves": 2}])
def test_the_next_one_goes_on(
    fails: dict[str, int], staged: FolderStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(StoreUnavailable):
        move_in("iris", CHECKED, staged, Failing(tmp_path / "models", **fails))
    assert "left in the model store: versions of iris: 1 (m1), 2 (m2)" in caplog.text
    models = FolderStore(tmp_path / "models")
    assert move_in("iris", CHECKED, staged, models) == {"m1": "1", "m2": "2", "m3": "3"}
    assert models.versions("iris") == ["1", "2", "3"]
    named = {alias: found.version for alias, found in models.aliases("iris").items()}
    assert named == {"m1": "1", "champion": "1", "m2": "2", "m3": "3"}


def test_nothing_is_left_of_one_that_never_began(
    staged: FolderStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(StoreUnavailable):
        move_in("iris", CHECKED, staged, Failing(tmp_path / "models", versions=0))
    assert caplog.text == ""
