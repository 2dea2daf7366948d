"""A log of the format before, rewritten: the same records, whoever is killed when."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.environment import acquire
from sluice.errors import DeclarationError, SluiceError, StoreUnavailable
from sluice.streams import Message, open_stream
from sluice.upgrade.beside import new_of, old_of, swap
from sluice.upgrade.log import upgrade
from tests.streams import format_1
from tests.streams.processes import fork, join, kill
from tests.streams.test_format_1 import GOLDEN, OLD
from tests.upgrade.logs import NOW, contents, make, older, spoil

ROOT = Path(__file__).parents[2]
CRASHES = int(os.environ.get("CRASHES", "5"))


def quiet(step: str, done: int) -> None:
    """Nobody looks."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return Path(shutil.copy(GOLDEN, tmp_path / "s.log"))


def test_the_same_records_offsets_and_groups_and_the_old_one_is_kept(path: Path) -> None:
    before = contents(path)
    assert older(path)
    upgrade(path, quiet)
    assert not older(path)
    assert contents(path) == before == contents(old_of(path))
    assert older(old_of(path))
    assert sorted(f.name for f in path.parent.iterdir()) == [
        "s.log", "s.log-lock", "s.log.old", "s.log.old-lock",
    ]  # fmt: skip
    stream = open_stream(str(path))
    assert stream.consumer("g", ["t"]).committed() == {("t", 0): 8}
    stream.close()


def test_the_format_before_refuses_it_by_name(path: Path) -> None:
    upgrade(path, quiet)
    with pytest.raises(DeclarationError, match=r"format: is 2 \(this Sluice reads up to 1"):
        acquire(path, OLD)


def test_records_of_one_time_are_one_block(path: Path) -> None:
    upgrade(path, quiet)
    keys = [key for key in format_1.entries(path) if key[:1] == b"r"]
    assert len(keys) == 5  # three partitions at one time, and two records a minute later


def test_a_log_that_was_written_on_is_older_and_rewritten(path: Path) -> None:
    stream = open_stream(str(path))
    stream.producer().produce_many("t", [Message(b"new", f"key {n}") for n in range(9)])
    stream.producer().produce("other", b"another topic")
    stream.close()
    before = contents(path, ("t", "other"))
    assert older(path)
    upgrade(path, quiet)
    assert not older(path)
    assert contents(path, ("t", "other")) == before


def test_a_log_that_is_upgraded_is_written_on_and_forgets_by_age_and_size(path: Path) -> None:
    upgrade(path, quiet)
    stream = open_stream(str(path), retention_bytes=600)
    stream.producer().produce("t", b"new", "ä")
    bounds = stream.bounds("t")
    stream.close()
    assert sum(end - first for first, end in bounds.values()) == len(contents(path)["t"][1])
    assert sum(first for first, _ in bounds.values()) > 0


message = st.builds(
    Message,
    st.binary(max_size=30),
    st.none() | st.text(max_size=5),
    st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2),
)


@given(st.lists(st.lists(message, max_size=12), min_size=1, max_size=4), st.lists(message))
@settings(max_examples=25)
def test_any_log_has_the_same_records_afterwards(
    partitions: list[list[Message]], new: list[Message]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s.log"
        format_1.write(path, "t", partitions, NOW)
        stream = open_stream(str(path))
        stream.producer().produce_many("t", new)
        stream.close()
        before = contents(path)
        upgrade(path, quiet)
        assert contents(path) == before
        assert not older(path)


def test_it_is_refused_while_a_process_has_it_open(path: Path) -> None:
    here, there = os.pipe()
    free, held = os.pipe()

    def hold() -> None:
        open_stream(str(path))
        os.write(there, b"!")
        os.read(free, 1)

    pid = fork(hold)
    os.read(here, 1)
    with pytest.raises(StoreUnavailable, match=f"is open in process {pid}: end what serves"):
        upgrade(path, quiet)
    os.write(held, b"!")
    assert join(pid) == 0
    upgrade(path, quiet)
    assert not older(path)


def test_who_comes_meanwhile_waits_and_writes_to_the_new_one(path: Path) -> None:
    children: list[subprocess.Popen[bytes]] = []
    code = f"""if True:
        from sluice.streams import open_stream
        open_stream({str(path)!r}).producer().produce("t", b"meanwhile", "key 1")
    """

    def progress(step: str, done: int) -> None:
        if not children:
            children.append(subprocess.Popen([sys.executable, "-c", code], cwd=ROOT))

    before = contents(path)["t"][1]
    upgrade(path, progress)
    assert children[0].wait() == 0
    after = contents(path)["t"][1]
    assert [row for row in after if row[4] != b"meanwhile"] == before
    assert len(after) == len(before) + 1


def killed_after(path: Path, calls: int) -> bool:
    """Upgrade in a process that is killed once it has told of its progress so often."""
    here, there = os.pipe()

    def tell(step: str, done: int) -> None:
        os.write(there, b"!")

    pid = fork(partial(upgrade, path, tell))
    os.close(there)
    told = 0
    while told < calls and os.read(here, 1):
        told += 1
    os.close(here)
    if told < calls:
        assert join(pid) == 0
        return False
    try:
        kill(pid)
    except AssertionError:
        return False  # it was done by then
    return True


def test_whoever_is_killed_whenever_nothing_is_lost(tmp_path: Path) -> None:
    path, rng, died = tmp_path / "s.log", random.Random(7), 0
    for _ in range(CRASHES):
        make(path, 3000)
        before = contents(path)
        kills = 0
        while killed_after(path, rng.randint(1, 6)) and kills < 4:
            kills += 1
            assert contents_untouched(path, before)
        died += kills
        upgrade_if_older(path)
        assert contents(path) == before
        assert not older(path)
        for file in tmp_path.iterdir():
            file.unlink()
    assert died >= CRASHES


def contents_untouched(path: Path, before: object) -> bool:
    """What is there is one of the two, whole; read from a copy: nothing is written to it."""
    with tempfile.TemporaryDirectory() as folder:
        return contents(Path(shutil.copy(path, Path(folder) / "copy.log"))) == before


def upgrade_if_older(path: Path) -> None:
    if older(path):
        upgrade(path, quiet)


def die_at(calls: int) -> Callable[[str, int], None]:
    """Progress that ends its process at once when it is told so often."""
    left = [calls]

    def progress(step: str, done: int) -> None:
        left[0] -= 1
        if not left[0]:
            os._exit(9)

    return progress


def test_it_goes_on_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "s.log"
    make(path, 30)
    stream = open_stream(str(path))
    for n in range(1200):
        stream.producer(durable=False).produce(f"topic {n}", b"x")  # many names of the log's
    stream.close()
    assert join(fork(partial(upgrade, path, die_at(4)))) == 9
    steps: list[tuple[str, int]] = []
    upgrade(path, lambda step, done: steps.append((step, done)))
    written = sum(done for step, done in steps if step == "written")
    names = sum(key[:1] not in b"ms" for key in format_1.entries(path))
    assert written == names - 4 * 512


def test_it_begins_anew_where_somebody_has_written_meanwhile(path: Path) -> None:
    assert join(fork(partial(upgrade, path, die_at(2)))) == 9
    stream = open_stream(str(path))
    stream.producer().produce("t", b"in between", "key 1")
    stream.close()
    before = contents(path)
    upgrade(path, quiet)
    assert contents(path) == before


def test_killed_between_keeping_the_old_one_and_putting_the_new_one_there(path: Path) -> None:
    before = contents(path)
    old_of(path).hardlink_to(path)
    upgrade(path, quiet)
    assert contents(path) == before
    assert older(old_of(path))
    assert not older(path)


def test_what_is_not_the_same_is_not_put_in_place(path: Path) -> None:
    before = contents(path)
    assert join(fork(partial(upgrade, path, die_at(2)))) == 9  # all is written, and compared next
    spoil(new_of(path))
    with pytest.raises(
        SluiceError, match=r"t: partition 0, offset .*: not the same when rewritten"
    ):
        upgrade(path, quiet)
    assert older(path)
    assert not old_of(path).exists()
    upgrade(path, quiet)
    assert contents(path) == before


def test_what_an_upgrade_before_has_kept_is_not_overwritten(path: Path) -> None:
    old_of(path).write_bytes(b"another one")
    with pytest.raises(SluiceError, match=r"s\.log\.old is there from an upgrade before"):
        upgrade(path, quiet)
    assert old_of(path).read_bytes() == b"another one"


def test_a_swap_is_done_again_by_whoever_comes_next(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_text("old")
    new_of(file).write_text("new")
    swap(file)
    assert (file.read_text(), old_of(file).read_text()) == ("new", "old")
