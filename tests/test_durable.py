"""A file that is replaced is there whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.durable import replace


def test_a_file_is_made_and_replaced_and_nothing_lies_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "traffic.json"
    for data in (b"one", b"", b"three" * 1000):
        replace(file, data)
        assert file.read_bytes() == data
        assert list(tmp_path.iterdir()) == [file]


def test_what_cannot_be_written_leaves_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "traffic.json"
    replace(file, b"one")
    (tmp_path / "traffic.json.new").mkdir()
    with pytest.raises(IsADirectoryError):
        replace(file, b"two")
    assert file.read_bytes() == b"one"
