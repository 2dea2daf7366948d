"""From scores to the reply."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sluice.message import Choice, Message
from sluice.reply import output, reply
from tests.tiny import ORDER, Tiny


def output_of(message: Message, row: int, version: Any) -> dict[str, Any]:
    return output(message.scores[row].tolist(), message.defaults[row], version)


def version(*classes: Any, used: tuple[str, ...] = ("a", "b"), **features: Any) -> Any:
    manifest = SimpleNamespace(classes=list(classes))
    named = {"number": "3", "manifest": manifest, "used": frozenset(used), "features": features}
    return SimpleNamespace(**named, signature=None)


def scored(*rows: Any, defaults: Any = None) -> Message:
    message = Message([{}] * len(rows), "id")
    message.rows = list(range(len(rows)))
    message.scores = [np.array(row, np.float32) for row in rows]
    message.defaults = defaults or [{} for _ in rows]
    message.ages = [{} for _ in rows]
    message.outputs = [{} for _ in rows]
    return message


def test_two_classes_many_and_a_regression() -> None:
    message = scored([0.5], [0.25], [0.25, 0.5, 0.25], [-7.5], [0.25, 0.25])
    two = version("no", "yes")
    assert output_of(message, 0, two) == {"probability": 0.5, "label": "yes"}
    assert output_of(message, 1, two) == {"probability": 0.25, "label": "no"}
    assert output_of(message, 2, version(1, 2, 3)) == {
        "probabilities": {"1": 0.25, "2": 0.5, "3": 0.25},
        "label": 2,
    }
    assert output_of(message, 3, version()) == {"prediction": -7.5}


@pytest.mark.parametrize("score", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_no_number_is_an_error(score: float) -> None:
    for row, classes in (([score], ()), ([score], ("a", "b")), ([0.5, score, 0.1], "abc")):
        made = output_of(scored(row), 0, version(*classes))
        assert made == {"error": "version 3 gave no number for this record"}


def test_only_defaults_of_columns_that_the_version_uses_are_told() -> None:
    message = scored([1.0], [1.0], defaults=[{"a": "stale", "c": "missing"}, {"c": "missing"}])
    assert output_of(message, 0, version())["defaults"] == {"a": "stale"}
    assert "defaults" not in output_of(message, 1, version())


def test_one_choice_is_the_replys() -> None:
    message = scored([1.0], [2.0])
    message.route = [Choice("weights", "champion", "3", 0.5)] * 2
    answer = reply(message, "graph")
    assert (answer["id"], answer["model"], answer["version"]) == ("id", "graph", "3")
    assert answer["route"] == {"policy": "weights", "name": "champion", "propensity": 0.5}
    assert answer["outputs"] == [{}, {}]


def test_two_versions_are_mixed_and_each_output_tells_its_own() -> None:
    message = scored([1.0], [2.0])
    message.route = [Choice("weights", "champion", "3", 0.9), Choice("weights", "rival", "4", 0.1)]
    answer = reply(message, "graph")
    assert (answer["version"], answer["route"]) == ("mixed", "mixed")
    assert [o["version"] for o in answer["outputs"]] == ["3", "4"]
    assert [o["route"]["name"] for o in answer["outputs"]] == ["champion", "rival"]


def test_one_version_by_two_routes_is_not_mixed() -> None:
    message = scored([1.0], [2.0])
    fallen = Choice("weights", "champion", "3", 1.0, "rival is not live")
    message.route = [Choice("weights", "champion", "3", 1.0), fallen]
    answer = reply(message, "graph")
    assert (answer["version"], answer["route"]) == ("3", "mixed")
    assert answer["outputs"][1]["route"]["reason"] == "rival is not live"


def stalest(message: Message, **versions: Any) -> Any:
    message.live = SimpleNamespace(answering=versions.__getitem__)
    message.route = [Choice("weights", "any", number) for number in versions]
    return reply(message, "graph")["stalest"]


def test_the_stalest_is_the_oldest_of_all_rows() -> None:
    message = scored([1.0], [2.0], [3.0])
    message.ages = [{"weather": 5.0}, {}, {"delays": 7.0, "weather": 6.0}]
    one, two = version(weather=["weather.a"]), version(weather=["weather.a"], delays=["delays.a"])
    assert stalest(message, v1=one, v2=two, v3=two) == {"entity": "delays", "age_s": 7.0}
    assert stalest(message, v1=one, v2=two, v3=one) == {"entity": "weather", "age_s": 6.0}
    assert stalest(message, v1=one, v2=two, v3=version()) == {"entity": "weather", "age_s": 5.0}
    assert stalest(message, v1=version(), v2=two, v3=version()) is None
    assert reply(scored(), "graph")["stalest"] is None


def test_an_entity_whose_defaults_stood_in_is_not_used() -> None:
    used = version(weather=["weather.a", "weather.b"], delays=["delays.a"])
    for defaults, entity in (
        ({"weather.a": "null", "weather.z": "null"}, "weather"),
        ({"weather.a": "null", "weather.b": "stale"}, "delays"),
        ({"weather.a": "null", "weather.b": "unknown"}, "weather"),
        ({"carrier": "missing"}, "weather"),
    ):
        message = scored([1.0], defaults=[defaults])
        message.ages = [{"delays": 7.0, "weather": 9.0}]
        assert stalest(message, v1=used)["entity"] == entity


def test_versions_that_use_other_features_are_told_their_own(tiny: Tiny, tmp_path: Path) -> None:
    shop = tiny.copy(tmp_path / "shop")
    shop.models.promote("binary", "1", "challenger")  # of amount and visits alone
    with shop.service("binary") as service:
        told = {}
        for name in ("champion", "challenger"):
            message = Message([ORDER])
            message.pin = name
            told[name] = service.run(message)["stalest"]
            assert message.ages == [{"weather": 5400.0}]
    assert told == {"champion": {"entity": "weather", "age_s": 5400.0}, "challenger": None}
