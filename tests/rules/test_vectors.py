"""Items as vectors: what a lexicon remembers never shows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.rules import vectors as module
from sluice.rules.vectors import Lexicon, vectors
from tests.rules.lists import plain

TEXT = st.lists(st.sampled_from("abcdefgh"), max_size=5).map("|".join)
TEXTS = st.lists(st.none() | TEXT, max_size=12)


def cosines(lexicon: Lexicon, texts: list[str | None]) -> list[list[float]]:
    found = lexicon(texts)
    made: list[list[float]] = (
        found.matrix @ found.matrix.T * found.scale * found.scale[:, None]
    ).tolist()
    return made


@settings(max_examples=60, deadline=None)
@given(before=st.lists(TEXTS, max_size=4), texts=TEXTS)
def test_what_was_met_before_changes_no_bit(
    before: list[list[str | None]], texts: list[str | None]
) -> None:
    known = Lexicon("|")
    for others in before:
        known(others)
    assert cosines(known, texts) == cosines(Lexicon("|"), texts)


def test_a_lexicon_is_bounded() -> None:
    lexicon = Lexicon("|")
    for of in range(5):
        texts = [f"word {of} {i}|common" for i in range(module.WORDS)]
        assert np.count_nonzero(lexicon(texts).matrix) == 2 * len(texts)
    assert len(lexicon._words) <= 2 * module.WORDS


def test_columns_of_words_and_numbers_together() -> None:
    items = plain([3, 2, 1], genres=["a|b", None, "b"], year=[1.0, float("nan"), 3.0]).items
    found = vectors(items, [0, 1, 2], ["genres", "year"]).unit
    assert np.linalg.norm(found, axis=1) == pytest.approx([1, 0, 1])
    assert found[0] @ found[2] == pytest.approx((1 + 3) / (3**0.5 * 10**0.5))
