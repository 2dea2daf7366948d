"""Sluice's log goes through the host's logger."""

from __future__ import annotations

import json
import logging
from io import StringIO

import pytest

from sluice.errors import NotFound
from sluice.host import Logger
from sluice.protocol.http import failed
from sluice.protocol.log import through


@pytest.fixture
def lines() -> StringIO:
    stream = StringIO()
    through(Logger(form="json", worker="3", stream=stream))
    return stream


def test_a_record_is_one_structured_line(lines: StringIO) -> None:
    logging.getLogger("sluice.monitoring").warning("%d dropped", 3, extra={"with": {"graph": "g"}})
    record = json.loads(lines.getvalue())
    assert (record["level"], record["worker"], record["message"]) == ("warn", "3", "3 dropped")
    assert record["with"] == {"graph": "g"}


def test_a_defect_has_its_traceback_under_the_request_id(lines: StringIO) -> None:
    try:
        raise KeyError("secret")
    except KeyError as error:
        answer = failed(error, "request-7")
    record = json.loads(lines.getvalue())
    assert record["with"]["request"] == "request-7"
    assert record["with"]["error"] == "KeyError"
    assert "Traceback" in record["with"]["traceback"]
    assert b"secret" not in answer.body


def test_what_the_caller_got_wrong_is_no_log_line(lines: StringIO) -> None:
    assert failed(NotFound("no model"), "r").status == 404
    assert lines.getvalue() == ""


def test_setting_it_up_twice_does_not_say_all_twice(lines: StringIO) -> None:
    again = StringIO()
    through(Logger(form="json", stream=again))
    logging.getLogger("sluice").info("once")
    assert lines.getvalue() == ""
    assert len(again.getvalue().splitlines()) == 1
