"""A planted address is in no event, log, metric, database or dead letter."""

from __future__ import annotations

import json
import logging
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from sluice.cli import main
from sluice.errors import DeclarationError, RecordError, RequestError
from sluice.monitoring.redaction import MASK, Redaction
from sluice.parameters import Parameters
from sluice.streams import open_stream
from tests.governance.planted import (
    EMAIL,
    PHONE,
    SALT,
    ask_in_batch,
    ask_on_the_stream,
    ask_over_http,
    database_of,
    planted,
    records,
    rows_of,
    served,
    telling,
)
from tests.tiny import Tiny

__all__ = ["planted"]


def told(*values: Any) -> bool:
    """Whether anything tells the address or the number."""
    text = json.dumps(values, default=repr, ensure_ascii=False)
    return any(s in text for s in (EMAIL, repr(EMAIL), json.dumps(EMAIL)[1:-1], PHONE))


def test_a_planted_address_is_nowhere_but_in_the_requests(
    planted: Tiny, tmp_path: Path, caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    log = tmp_path / "serve.log"
    with served(planted, log) as client:
        assert ask_over_http(client) == [200, 422, 422, 500, 422, 500, 500, 400, 200, 200, 202]
        with urllib.request.urlopen(client.url + "/metrics") as reply:
            metrics = reply.read().decode()
    ask_on_the_stream(planted)
    ask_in_batch(planted)
    assert not told(log.read_text(), metrics, caplog.text, *capfd.readouterr())
    assert "LookupError" in log.read_text()
    assert MASK in log.read_text()
    state = planted.root / ".sluice"
    asked = {"batch.db", "batch.db-wal", "stream.log"}  # the requests themselves
    assert set(telling(state, EMAIL, PHONE)) <= asked
    assert not told(rows_of(database_of(planted)))
    stream = open_stream(str(state / "stream.log"))
    letters = records(stream, "dead-letters")
    assert len(letters) == 6
    assert not told(letters, records(stream, "predictions"))
    assert told(records(stream, "requests"))
    hashed = Redaction({"email": "hash"}, SALT.encode()).value("email", EMAIL)
    assert hashed in [json.loads(n.value).get("email") for n in letters if n.value]
    stream.close()


def test_a_dead_letter_is_put_back_as_it_was_asked(
    planted: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    ask_on_the_stream(planted)
    assert main(["dead-letters", "replay", "binary", "--all"]) == 0
    stream = open_stream(str(planted.root / ".sluice" / "stream.log"))
    asked = records(stream, "requests")
    first = {n.key: (n.value, n.headers["x-user"]) for n in asked[:8]}
    again = {n.key: (n.value, n.headers["x-user"]) for n in asked if "sluice-replayed" in n.headers}
    assert len(again) == 6
    assert again.items() <= first.items() | again.items()
    assert all(EMAIL in headers for _, headers in again.values())
    stream.close()


def test_whole_dead_letters_are_a_declared_exception(planted: Tiny) -> None:
    file = "graphs/binary/graph.yaml"
    planted.edit(file, "      redact:", "      stream: {whole_dead_letters: true}\n      redact:")
    ask_on_the_stream(planted)
    stream = open_stream(str(planted.root / ".sluice" / "stream.log"))
    letters = records(stream, "dead-letters")
    assert any(EMAIL.encode() in letter.value for letter in letters)
    assert not any(EMAIL in letter.headers["sluice-reason"] for letter in letters)
    stream.close()


def test_a_record_that_failed_is_not_kept(planted: Tiny) -> None:
    from sluice.batch.records import retry

    ask_in_batch(planted)
    database = database_of(planted)
    with pytest.raises(RequestError, match="is not kept, as the graph redacts fields"):
        retry(database)
    database.close()


@pytest.mark.parametrize(
    ("value", "kept"), [("ann@example.org", "ann"), ("", ""), (12, None), ([1], None), (None, None)]
)
def test_a_truncated_text_keeps_its_beginning(value: Any, kept: Any) -> None:
    assert Redaction({"email": 3}).fields({"email": value, "n": 1}) == {"email": kept, "n": 1}


def test_what_an_error_quotes_is_masked_along_its_chain() -> None:
    redaction = Redaction({"email": "drop"})
    long = "x" * 200 + EMAIL
    for secret in (EMAIL, long, {"deep": [EMAIL]}, "quo\"te's\n"):
        error = RecordError("email", f"no {secret!r} here")
        error.__cause__ = KeyError(secret if isinstance(secret, str) else EMAIL)
        redaction.conceal(error, [{"email": secret}])
        assert error.problem == f"no {MASK} here" or MASK in error.problem
        assert EMAIL not in f"{error}{error.problem}{error.__cause__}"


def test_what_is_declared_is_read() -> None:
    base = {"format": 1, "graph": "g", "features": "f.yaml"}
    redact = {"a": "drop", "b": "hash", "c": {"truncate": 2}}
    assert Parameters.parse({**base, "redact": redact}, "g").redact == {
        "a": "drop", "b": "hash", "c": 2,
    }  # fmt: skip
    for wrong, problem in [
        ({"a": "dorp"}, "redact.a: unknown value 'dorp' .did you mean 'drop'"),
        ({"a": {"truncate": -1}}, "redact.a.truncate: expected how many"),
        ({"a": {"cut": 1}}, "redact.a.truncate: is missing"),
    ]:
        with pytest.raises(DeclarationError, match=problem):
            Parameters.parse({**base, "redact": wrong}, "g")
