"""Lineage: from data and code to a version, its aliases, and what it answered."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from sluice.cli import main
from sluice.lineage.lineage import held
from sluice.lineage.provenance import code_of, data_of
from sluice.models.aliases import Move
from sluice.training.fits import Fits
from tests.governance.planted import environ
from tests.tiny import Tiny


def move(number: int, action: Any, version: str, at: str) -> Move:
    return Move(1, number, action, "champion", version, None, at, "ann", None)


def test_when_an_alias_named_a_version() -> None:
    moves = [
        move(1, "promote", "1", "t1"), move(2, "promote", "2", "t2"),
        move(3, "rollback", "1", "t3"),
    ]  # fmt: skip
    assert list(held(moves, "1")) == [
        ("champion", "t1", "t2", "ann"), ("champion", "t3", None, "ann"),
    ]  # fmt: skip
    assert list(held(moves, "2")) == [("champion", "t2", "t3", "ann")]


def test_equal_data_and_code_have_equal_digests(shop: Tiny) -> None:
    data, training = shop.dataset("binary"), shop.training("binary")
    first = data_of(data, shop.definitions, training)
    assert first == data_of(shop.dataset("binary"), shop.definitions, training)
    assert first["requests"]["source"] == "tinyshop.requests"
    assert set(first) == {"requests", "weather", "place"}
    data.table["weather.temp"][0] += 1
    other = data_of(data, shop.definitions, training)
    assert other["weather"] != first["weather"]
    assert other["place"] == first["place"]
    code = code_of(shop.root)
    assert (code["commit"], code["changed"]) == (None, None)
    shop.edit("tinyshop.py", "HOURS = 240", "HOURS = 241")
    assert code_of(shop.root)["sha256"] != code["sha256"]


def test_an_entity_may_be_called_as_the_requests_are(shop: Tiny) -> None:
    data, training = shop.dataset("binary"), shop.training("binary")
    plain = data_of(data, shop.definitions, training)
    named = replace(shop.definitions.entities["weather"], name="requests")
    entities = {**shop.definitions.entities, "requests": named}
    told = data_of(data, replace(shop.definitions, entities=entities), training)
    assert told == {**plain, "entities.requests": plain["weather"]}


def test_the_command_tells_from_data_to_answers(
    shop: Tiny, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in environ(shop).items():
        monkeypatch.setenv(name, value)
    training, application = shop.training("binary"), shop.open("binary")
    made = Fits(shop.project, application, training, shop.dataset("binary")).fit(["linear"])
    application.close()
    [number] = made
    assert main(["models", "promote", "binary", number]) == 0
    with shop.service("binary", shop.open("binary")) as service:
        service.predict({"city": "Bonn", "time": "2024-01-04T12:30:00Z"})
    capsys.readouterr()
    assert main(["lineage", "binary", "champion", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["data"]["weather"]["source"] == "tinyshop.weather"
    assert told["data"]["requests"]["rows"] == 200
    assert len(told["code"]["sha256"]) == 64
    assert told["gate"]["parity"]
    assert [h["until"] for h in told["held"]] == [None]
    assert told["audit"]
    assert told["answered"] == []
    assert main(["lineage", "binary", number]) == 0
    text = capsys.readouterr().out
    for head in ("data:", "code:", "gate:", "aliases:", "audit trail:", "answers:"):
        assert head in text
