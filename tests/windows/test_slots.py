"""What is read of a text where a slot is: what Python reads there, or nothing."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.compiled import compiled
from sluice.windows.alike import Read

columns_of: Read | None = compiled("columns", "sluice.windows._alike")
pytestmark = pytest.mark.skipif(columns_of is None, reason="installed without a C compiler")


def read(kind: str, *texts: str) -> Any:
    """Texts as a slot reads them; None for those that it leaves."""
    assert columns_of is not None
    found = []
    for text in texts:
        rest, [column] = columns_of(((b"", kind, None), (b"", ".", None)), [text.encode()])
        dtype = np.int64 if kind == "d" else np.float64
        found.append(None if rest else np.frombuffer(column, dtype)[0].item())
    return found


def numbers() -> Iterator[st.SearchStrategy[str]]:
    yield st.floats(allow_nan=False, allow_infinity=False).map(repr)
    yield st.floats(1e-6, 1e6).map(repr)
    yield st.integers().map(str)
    yield st.from_regex(r"-?(0|[1-9]\d{0,25})(\.\d{1,25})?([eE][+-]?\d{1,3})?", fullmatch=True)


@given(st.one_of(*numbers()).filter(str.isascii))
def test_numbers_are_those_of_python(text: str) -> None:
    value = json.loads(text)
    try:
        expected = [float(value)]
    except OverflowError:
        expected = [np.inf]
    if np.isinf(expected[0]):
        assert read("n", text) == [None]
    else:
        assert repr(read("n", text)) == repr(expected)


@given(st.text("0123456789.-+eE", max_size=12))
def test_what_is_no_number_is_left(text: str) -> None:
    try:
        number = float(json.loads(text))
    except (ValueError, OverflowError):
        number = np.inf
    assert repr(read("f", text)) == repr([number if np.isfinite(number) else None])


def test_constants() -> None:
    assert read("n", "true", "false", "nul", "truely", "None") == [1.0, 0.0, None, None, None]
    assert np.isnan(read("n", "null")[0])
    assert read("f", "true", "null") == [None, None]
    assert read("i", "1", "-5", "1.0", "1e3", "") == [1.0, -5.0, None, None, None]


def seconds_of(text: str) -> float | None:
    """As the slot of a time reads it."""
    [found] = read("d", f'"{text}"')
    return None if found is None else found / 1e6


def expected(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.timestamp() if 1970 <= moment.year <= 2199 and len(text) == 32 else None


@given(st.datetimes(datetime(1970, 1, 1), datetime(2199, 12, 31)))
def test_times_are_those_of_python(moment: datetime) -> None:
    text = moment.strftime("%Y-%m-%d %H:%M:%S.%f+00:00")
    assert seconds_of(text) == expected(text) is not None


@given(st.text("0123456789", min_size=20, max_size=20), st.integers(0, 31))
def test_times_that_there_are_not_are_left(digits: str, place: int) -> None:
    d = digits
    text = f"{d[:4]}-{d[4:6]}-{d[6:8]} {d[8:10]}:{d[10:12]}:{d[12:14]}.{d[14:]}+00:00"
    for one in (text, text[:place] + text[place + 1 :]):
        assert seconds_of(one) == expected(one)


def test_months_end_when_they_do() -> None:
    for year, month, day in itertools.product((1999, 2000, 2024, 2100), range(14), range(33)):
        text = f"{year}-{month:02}-{day:02} 23:59:59.999999+00:00"
        assert seconds_of(text) == expected(text)


def spelt(*texts: bytes) -> list[bool]:
    assert columns_of is not None
    rest, _ = columns_of(((b"", "-", None), (b"", ".", None)), list(texts))
    return [place not in rest for place in range(len(texts))]


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters='"\\')))
def test_any_text_is_read_that_needs_no_escape(text: str) -> None:
    assert spelt(f'"{text}"'.encode()) == [True]


@given(
    st.binary(max_size=6), st.sampled_from([b"", b"\xc3", b"\xe0\xa0", b"\xed", b"\xf0", b"\xf4"])
)
def test_what_is_no_text_is_left(rest: bytes, first: bytes) -> None:
    data = first + rest
    try:
        plain = all(c not in '"\\' and c >= " " for c in data.decode())
    except UnicodeDecodeError:
        plain = False
    assert spelt(b'"' + data + b'"') == [plain]


def test_words_that_cannot_be_read_leave_their_texts() -> None:
    assert columns_of is not None
    slots = ((b"[", "w", json.loads), (b"]", ".", None))
    texts = [b"[1]", b'["a"]', b"[1]", b"[x]", b'[{"a":[1,{}]}]', b"[[1,]]", b'["a"]']
    rest, [(words, codes)] = columns_of(slots, texts)
    assert rest == [3, 5]
    assert [words[code] for code in np.frombuffer(codes, np.int64)] == [
        1, "a", 1, {"a": [1, {}]}, "a"
    ]  # fmt: skip

    def never(_: bytes) -> Any:
        raise ValueError

    assert columns_of(((b"[", "w", never), (b"]", ".", None)), texts)[0] == list(range(7))


def test_texts_may_go_while_their_words_are_read() -> None:
    assert columns_of is not None
    texts = [b"[%d]" % n for n in range(100)]

    def last(word: bytes) -> Any:
        texts.clear()
        return json.loads(word)

    slots = ((b"[", "w", last), (b"]", ".", None))
    rest, [(words, codes)] = columns_of(slots, texts)
    assert rest == []
    assert words == np.frombuffer(codes, np.int64).tolist() == list(range(100))


def test_nothing_is_read_behind_the_end() -> None:
    assert columns_of is not None
    slots = ((b"[", "r", None), (b"]", ".", None), (b"", "t", None))
    assert columns_of(slots, [b"[1]"]) == ([0], [[], []])
