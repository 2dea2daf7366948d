"""A message of the format before is read as what it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sluice.codec import decode, encode
from tests.golden.make_message import message

GOLDEN = Path(__file__).parent / "message-2.json"


def test_a_message_of_format_2_is_read() -> None:
    read, made = decode(GOLDEN.read_bytes()), message()
    for name in ("id", "records", "when", "columns", "rows", "ages", "defaults", "outputs"):
        assert getattr(read, name) == getattr(made, name)
    assert read.unknown == made.unknown
    assert np.array_equal(np.array(read.scores), np.array(made.scores))
    tensor = read.tensors["digest"]["features"]
    assert tensor.tobytes() == made.tensors["digest"]["features"].tobytes()
    assert {i: (str(e), e.status) for i, e in read.errors.items()} == {
        i: (str(e), e.status) for i, e in made.errors.items()
    }
    assert (read.explain, read.members, tuple(read.shadows)) == (False, {}, ())


def test_it_goes_on_in_the_format_of_today() -> None:
    again = decode(encode(decode(GOLDEN.read_bytes())))
    assert str(again.values) == str(message().values)
    assert str(again.as_of) == str(message().as_of)
