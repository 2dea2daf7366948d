"""API keys: which are good, for which graphs, and how they are taken back."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from sluice.access.keys import Key, Keys, digest_of, make_key, parse, read
from sluice.errors import DeclarationError

KEY = "sluice_a-key-that-nobody-has"
SUM = hashlib.sha256(KEY.encode()).hexdigest()


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_new_key_is_long_and_its_own() -> None:
    made = {make_key() for _ in range(100)}
    assert len(made) == 100
    assert all(key.startswith("sluice_") and len(key) == 50 for key in made)


def test_a_key_is_found_by_its_sum() -> None:
    others = [Key(str(i), digest_of(str(i))) for i in range(500)]
    keys = Keys([*others, *parse([f"alice:{SUM.upper()}:flights:shop"], "x", "")])
    found = keys.find(KEY)
    assert found == Key("alice", digest_of(KEY), frozenset({"flights", "shop"}))
    assert keys.find("7") == others[7]
    assert keys.find("") is keys.find(SUM) is keys.find(KEY + " ") is keys.find("\ud800") is None


@pytest.mark.parametrize("entry", [KEY, f"alice:{KEY}", f"al ice:{SUM}", f"a:{SUM}:", ":", "a:"])
def test_what_is_no_entry_is_counted_and_not_quoted(entry: str, tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="entry 2: is no name with") as error:
        parse([f"bob:{SUM}", entry], "settings", "entry")
    assert KEY not in str(error.value)
    file = tmp_path / "keys"
    file.write_text(f"# keys\n\nbob:{SUM} # his\n{entry}\n", "utf-8")
    with pytest.raises(DeclarationError, match="line 4: is no name with") as error:
        read(file)
    assert KEY not in str(error.value)


def test_a_file_is_followed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock, file = Clock(), tmp_path / "keys"
    file.write_text("# nobody yet\n", "utf-8")
    keys = Keys(file=file, clock=clock)
    assert keys.find(KEY) is None
    file.write_text(f"alice:{SUM}\n", "utf-8")
    assert keys.find(KEY) is None, "it is looked at once a second"
    clock.now = 1.5
    assert keys.find(KEY) is not None
    file.write_text(f"alice {SUM}\n", "utf-8")
    clock.now = 3.0
    assert keys.find(KEY) is not None, "a file with a mistake takes no key back"
    assert "stay as they were" in caplog.text
    assert SUM not in caplog.text
    file.write_text("", "utf-8")
    clock.now = 4.5
    assert keys.find(KEY) is None


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="can't be read: FileNotFoundError"):
        Keys(file=tmp_path / "keys")
