"""A subject's records go, everybody else's stay; an address is nowhere in any file afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from sluice.cli import main
from sluice.errors import StoreUnavailable
from sluice.features.open import open_features
from sluice.features.store import stored_layout
from sluice.forget.events import without
from sluice.forget.features import FeatureRows
from sluice.forget.forget import forget
from sluice.forget.forget import telling as telling_files
from sluice.forget.open import opened
from sluice.forget.place import Place, Seen
from sluice.forget.subject import Subject
from sluice.forget.topics import Judge
from sluice.monitoring.redaction import Redaction
from sluice.streams import open_stream
from sluice.streams.stream import Record
from tests.governance.planted import (
    EMAIL,
    SALT,
    ask_in_batch,
    ask_on_the_stream,
    database_of,
    environ,
    plant,
    records,
    rows_of,
    telling,
)
from tests.tiny import ORDER, Tiny

OTHER = "bob@example.org"


def ask(shop: Tiny, email: str) -> None:
    ask_on_the_stream(shop, email)
    ask_in_batch(shop, email)


@pytest.mark.parametrize("redacted", [False, True])
def test_a_planted_address_is_nowhere_after_deletion(
    shop: Tiny, redacted: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plant(shop, "{email: hash}" if redacted else "{phone: drop}")
    for name, value in environ(shop).items():
        monkeypatch.setenv(name, value)
    state = shop.root / ".sluice"
    hashed = Redaction({"email": "hash"}, SALT.encode()).value("email", EMAIL)
    ask(shop, EMAIL)
    stream = open_stream(str(state / "stream.log"))
    producer = stream.producer()
    other = json.dumps({**ORDER, "email": OTHER}).encode()
    producer.produce("tiny.binary.requests", other, "other")
    stream.close()
    assert main(["stream", "binary", "--once"]) == 0
    assert "stream.log" in telling(state, EMAIL)
    capsys.readouterr()
    assert main(["forget", "binary", f"email={EMAIL}", "--dry-run"]) == 0
    assert "there are" in capsys.readouterr().out
    assert main(["forget", "binary", f"email={EMAIL}", "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["left"]
    assert "stream.log" in telling(state, EMAIL)

    assert main(["forget", "binary", f"email={EMAIL}"]) == 0, capsys.readouterr().out
    told = capsys.readouterr().out
    assert "nothing is left" in told
    assert "records of database" in told
    assert telling(state, EMAIL, hashed) == []
    assert telling(state, OTHER) != []
    stream = open_stream(str(state / "stream.log"))
    assert [r.key for r in records(stream, "predictions")] == ["other"]
    assert [r.key for r in records(stream, "requests")] == ["other"]
    assert records(stream, "dead-letters") == []
    stream.close()
    # A failed record that was not kept is a reason under an id, and nobody's.
    assert [row for row in rows_of(database_of(shop)) if "batch" not in row[0]] == []
    assert bool(rows_of(database_of(shop))) == redacted
    assert main(["forget", "binary", f"email={EMAIL}"]) == 0  # again: nothing
    assert "0 requests" in capsys.readouterr().out
    trail = [json.loads(line) for line in (state / "audit.jsonl").read_text().splitlines()]
    last = next(line for line in trail if line["action"] == "forget")
    assert last["evidence"]["left"] == {}
    assert sum(last["evidence"]["deleted"].values()) > 15
    assert not (state / "forget").exists() or not list((state / "forget").iterdir())


def subject(fields: dict[str, str], **actions: str) -> Subject:
    return Subject(fields, Redaction(actions, SALT.encode()))


class FakePlace(Place):
    """Requests by id; it is away after so many deletions."""

    name = "fake"

    def __init__(self, ids: list[str], survives: int) -> None:
        self.ids, self.survives = ids, survives

    def look(self, subject: Subject, *, delete: bool) -> Iterator[Seen]:
        if "first" in self.ids:
            subject.note("first")
        for id in [id for id in self.ids if id in subject.ids]:
            if delete:
                if not self.survives:
                    raise StoreUnavailable("away")
                self.survives -= 1
                self.ids.remove(id)
            yield Seen(1, 1)

    def clean(self, subject: Subject) -> Iterator[int]:
        yield 0

    def close(self) -> None:
        pass


def test_what_was_interrupted_goes_on(tmp_path: Path) -> None:
    first, second = FakePlace(["first"], 1), FakePlace(["first", "other"], 0)
    second.look = FakePlace.look.__get__(second)  # type: ignore[method-assign]
    places: list[Place] = [first, second]
    with pytest.raises(StoreUnavailable):
        forget(subject({"email": EMAIL}), places, tmp_path)
    [note] = (tmp_path / "forget").iterdir()
    assert EMAIL not in note.read_text()
    second.survives, first.ids = 5, []
    done = forget(subject({"email": EMAIL}), places, tmp_path)
    assert (done.deleted, done.left, done.done) == ({"fake": 1}, {}, True)
    assert second.ids == ["other"]
    assert not list((tmp_path / "forget").iterdir())


def test_a_file_that_goes_while_others_are_read_holds_nothing(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    for file in (first, second):
        file.write_text(EMAIL)
    found = telling_files(subject({"email": EMAIL}), tmp_path, lambda *_: second.unlink())
    assert list(found) == [first]


def test_of_an_event_with_many_records_only_the_subjects_go() -> None:
    event: dict[str, Any] = {
        "request": {
            "id": "chunk", "inputs": [[EMAIL, 1], ["bob", 2]], "input_schema": ["email", "n"],
        },
        "resp": {"outputs": [[0.1], [0.2]], "output_schema": ["probability"]},
        "sluice": {
            "ids": ["a", "b"], "errors": {}, "details": {"0": {"x": 1}, "1": {"x": 2}},
            "features": {"schema": ["size"], "rows": [[1.0], [2.0]]},
        },
    }  # fmt: skip
    whose = subject({"email": EMAIL})
    record = Record("t.events", 0, 0, "chunk", orjson.dumps(event), {}, 0.0)
    row = without(whose, record, event)
    assert row is not None
    left = orjson.loads(row[0])
    assert left["request"]["inputs"] == [[None, None], ["bob", 2]]
    assert left["resp"]["outputs"] == [[None], [0.2]]
    assert left["sluice"] == {
        "ids": ["", "b"], "errors": {"0": "forgotten"}, "details": {"1": {"x": 2}},
        "features": {"schema": ["size"], "rows": [[None], [2.0]]},
    }  # fmt: skip
    assert whose.ids == {"a": 1}
    assert without(subject({"email": "nobody@x.org"}), record, left) is None


def test_a_short_value_is_looked_for_by_its_field_alone() -> None:
    whose = subject({"n": "12"}, n="hash")
    assert whose.tells([{"n": 12}])
    assert whose.tells({"deep": {"n": "12", "m": 1}})
    assert whose.tells({"n": Redaction({"n": "hash"}, SALT.encode()).value("n", 12)})
    assert not whose.tells({"m": 12, "n": 120})
    assert not whose.quoted(b"12")


def asked(value: dict[str, Any], key: str = "k") -> Record:
    return Record("t.requests", 0, 0, key, orjson.dumps(value), {}, 0.0)


@pytest.mark.parametrize(
    ("field", "own", "others"),
    [
        (
            "email",
            "ann@example.org",
            ["joann@example.org", "j.ann@example.org", "ann@example.org.uk"],
        ),
        ("account", "123456", [1234567, "1234567", 123456.5, -123456]),
        ("account", "0012", ["12", "12.0", "00120"]),
        ("account", "9007199254740993", [9007199254740992]),
    ],
)
def test_whose_value_only_contains_the_subjects_is_another(
    field: str, own: str, others: list[Any]
) -> None:
    judge = Judge(subject({field: own}), frozenset({"t.requests"}))
    assert [other for other in others if judge(asked({field: other}, "other"))] == []
    said = [asked({field: own}), asked({"error": f"{own}: not known\n{own}"}, "2")]
    assert [judge(record) is not None for record in said] == [True, len(own) > 5]


def test_a_number_or_a_boolean_is_told_however_it_is_written() -> None:
    whose = subject({"n": "12", "vip": "true"})
    assert whose.tells({"n": 12.0, "vip": True})
    assert not whose.tells({"n": 12, "vip": 1})
    assert subject({"n": "123456"}).quoted(b'{"n":123456.0}')
    assert subject({"text": "abcdef"}).quoted(rb'"error: \nabcdef."')


def test_an_id_that_a_record_has_is_no_requests() -> None:
    whose = subject({"email": EMAIL})
    judge = Judge(whose, frozenset({"t.requests"}))
    assert judge(asked({"id": "P1", "email": EMAIL}, "first"))
    assert judge(asked({"id": "P1", "email": OTHER}, "second")) is None
    assert judge(asked({"id": "MLRun", "inputs": [{"email": EMAIL}]}, "third"))
    assert whose.ids == {"first": 1, "third": 1, "MLRun": 1}


def test_rows_of_a_key_go_and_others_stay(shop: Tiny) -> None:
    definitions, store = open_features(shop.project, "binary")
    layout = stored_layout(definitions, "weather", store)
    assert layout.entity == "weather"
    rows = FeatureRows(definitions, store, "features")
    whose = subject({"city": "Bonn"})
    assert sum(seen.found for seen in rows.look(whose, delete=False)) > 200
    assert sum(seen.found for seen in rows.look(whose, delete=True)) > 200
    assert sum(seen.found for seen in rows.look(whose, delete=False)) == 0
    found = store.get_many([("weather", ("Bonn",)), ("weather", ("Cork",))], 1_705_000_000.0)
    assert found[0] is None
    assert found[1] is not None
    rows.close()


OTHERS = """entities:
  clients:
    online: feast:clients
    keys: {client: visits}
    features: {rate: {type: number, default: 0.5}}
"""


def test_what_another_feature_store_keeps_is_named_and_our_own_is_scrubbed(
    shop: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.edit("features.yaml", "entities:\n", OTHERS)
    settings = replace(shop.project.settings, feast="http://127.0.0.1:9")
    project = replace(shop.project, settings=settings)
    for fields, kept in (({"city"}, []), ({"visits"}, ["feast:clients (entity clients)"])):
        with opened(project, "binary", fields) as (places, fixed):
            assert fixed == kept
            [rows] = [place for place in places if place.name.startswith("features")]
            assert list(rows.look(subject({"visits": "8"}), delete=True)) == []
            assert list(rows.clean(subject({"city": "no such city"}))) != []


def test_a_text_is_no_key_where_keys_are_numbers(shop: Tiny) -> None:
    shop.edit("features.yaml", "keys: {city: city}", "keys: {city: visits}")
    definitions, store = open_features(shop.project, "binary")
    rows = FeatureRows(definitions, store, "features")
    assert list(rows.look(subject({"visits": EMAIL}), delete=False)) == []
    rows.close()
