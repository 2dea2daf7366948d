"""What the registry answers."""

from __future__ import annotations

from pathlib import Path

from sluice.features.registry import Use, describe, users
from tests.features import delays, elsewhere
from tests.features.cases import FEATURES, read


def test_every_feature_is_described(tmp_path: Path) -> None:
    found = describe(read(tmp_path))
    assert [f["name"] for f in found] == [
        "weather.temp", "weather.sky", "weather.calm", "planes.seats", "planes.maker", "gates.queue"
    ]  # fmt: skip
    assert found[0] == {
        "name": "weather.temp", "type": "number", "default": 15.0, "max_age_s": 100.0,
        "aggregate": None, "of": None, "window_s": None, "events": None, "retention_s": None,
        "entity": "weather", "keys": {"station": "origin"}, "timestamp": "hour", "delay_s": 10.0,
        "source": "tests.features.cases.weather", "owner": "met office",
        "description": "degrees Celsius",
    }  # fmt: skip
    assert (found[5]["default"], found[5]["max_age_s"]) == (None, None)


def test_an_aggregate_says_how_it_comes_of_events(tmp_path: Path) -> None:
    definitions = delays.declared(tmp_path)
    found = {f["name"]: f for f in describe(definitions)}
    late, mean = found["delays.late"], found["delays.mean"]
    assert (late["aggregate"], late["of"], late["window_s"]) == ("rate", "late", 5.0)
    assert (late["events"], late["timestamp"]) == ("departure", "at")
    assert mean["window_s"] is None
    told = {e["feature"]: e["aggregate"] for e in users({"g": definitions}, [])}
    assert told["delays.late"] == "rate of late over 5s of departure"
    assert told["delays.ever"] == "count over all time of departure"
    assert told["weather.temp"] == ""


def test_what_another_store_keeps_is_from_there(tmp_path: Path) -> None:
    declared = elsewhere.definitions(tmp_path)
    assert {f["source"] for f in describe(declared)} == {"feast:drivers"}
    assert {e["source"] for e in users({"g": declared}, [])} == {"feast:drivers"}


def test_each_feature_knows_its_users(tmp_path: Path) -> None:
    definitions = {"delay": read(tmp_path), "other": read(tmp_path, FEATURES)}
    uses = [
        Use("delay", "v1", ("origin", "weather.temp"), "transforms.Plain"),
        Use("delay", "v2", ("weather.temp", "planes.gone"), "transforms.Rich"),
        Use("dropped", "v9", ("x.y",), "transforms.Old"),
    ]
    found = {(e["graph"], e["feature"]): e for e in users(definitions, uses)}
    temp = found["delay", "weather.temp"]
    assert temp["source"] == "tests.features.cases.weather"
    assert temp["versions"] == [
        {"version": "v1", "transform": "transforms.Plain"},
        {"version": "v2", "transform": "transforms.Rich"},
    ]
    assert found["other", "weather.temp"]["versions"] == []
    assert found["delay", "planes.gone"]["source"] is None
    assert found["dropped", "x.y"]["versions"] == [{"version": "v9", "transform": "transforms.Old"}]
    assert ("delay", "origin") not in found
    assert len(found) == 2 * 6 + 2
