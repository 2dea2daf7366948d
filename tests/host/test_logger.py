from __future__ import annotations

import io
import json

import pytest

from sluice.host import Logger


def written(form: str, level: str = "info") -> tuple[Logger, io.StringIO]:
    stream = io.StringIO()
    return Logger(level, form, "3", stream, clock=lambda: 1_700_000_000.5), stream


def test_json_record() -> None:
    logger, stream = written("json")
    logger.bind(graph="flight-delay")
    logger.warn_with("late by %d", 5, carrier="UA", raw=b"\n")
    assert json.loads(stream.getvalue()) == {
        "datetime": "2023-11-14T22:13:20.500Z", "level": "warn", "worker": "3",
        "message": "late by 5",
        "with": {"carrier": "UA", "raw": "b'\\n'", "graph": "flight-delay"},
    }  # fmt: skip
    assert stream.getvalue().count("\n") == 1


def test_text_record_is_one_line() -> None:
    logger, stream = written("text")
    logger.error_with("two\nlines", why="a b", empty="", n=1)
    assert stream.getvalue() == (
        '2023-11-14T22:13:20.500Z error [3] two\\nlines why="a b" empty="" n=1\n'
    )


def test_traceback_follows_its_record() -> None:
    logger, stream = written("text")
    logger.error_with("failed", traceback="Traceback:\n  here\n", path="/")
    assert stream.getvalue().splitlines()[0].endswith("failed path=/")
    assert stream.getvalue().splitlines()[1:] == ["    Traceback:", "      here"]


@pytest.mark.parametrize(("level", "count"), [("debug", 8), ("info", 6), ("warn", 4), ("error", 2)])
def test_levels(level: str, count: int) -> None:
    logger, stream = written("text", level)
    for name in ("debug", "info", "warn", "error"):
        getattr(logger, name)("100 %")
        getattr(logger, name + "_with")("x", a=1)
    assert stream.getvalue().count("\n") == count
