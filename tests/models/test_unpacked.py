"""A folder of what loads by path goes with its owner, or with the process that was killed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from sluice.models.unpacked import PREFIX, folder_for


class Owner:
    """Something that is loaded."""


def test_it_goes_with_its_owner(tmp_path: Path) -> None:
    owner, other = Owner(), Owner()
    first, second = folder_for(owner, tmp_path), folder_for(other, tmp_path)
    (first / "model.bin").write_bytes(b"1")
    del owner
    assert sorted(tmp_path.iterdir()) == [second]
    assert (second.stat().st_mode & 0o777) == 0o700


def test_what_a_killed_process_has_left_goes_with_the_next(tmp_path: Path) -> None:
    child = os.fork()
    if not child:
        owner = Owner()
        (folder_for(owner, tmp_path) / "model.bin").write_bytes(b"1")
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert len(list(tmp_path.glob(f"{PREFIX}*/model.bin"))) == 1
    owner = Owner()
    folder = folder_for(owner, tmp_path)
    assert list(tmp_path.iterdir()) == [folder]


def test_a_forked_child_leaves_its_parents_folder(tmp_path: Path) -> None:
    owner = Owner()
    folder = folder_for(owner, tmp_path)
    child = os.fork()
    if not child:
        del owner
        os._exit(0)
    os.waitpid(child, 0)
    other = Owner()
    folders = {folder, folder_for(other, tmp_path)}
    assert set(tmp_path.iterdir()) == folders
