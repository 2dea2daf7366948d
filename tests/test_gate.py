"""A version may go live only when serving gives what training saw."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import orjson
import pytest

from sluice.errors import GateFailed, VersionRefused
from sluice.replay import GOLDEN_FILE, REPLAY_FILE
from sluice.training.fit import Fitted
from tests.tiny import GRAPHS, Tiny


@pytest.mark.parametrize("graph", GRAPHS)
def test_an_honest_version_passes(tiny: Tiny, graph: str) -> None:
    for number in tiny.models.versions(graph):
        evidence = tiny.gate(graph).check(number)
        assert (evidence["rows"], evidence["golden"], evidence["differ"]) == (200, 20, {})
        assert evidence["values"] > 200
        assert evidence["largest_score_difference"] <= 6e-5


def relog(tiny: Tiny, graph: str, files: dict[str, bytes | None]) -> str:
    """The champion once more, sealed with other files; None leaves one out."""
    champion = tiny.models.aliases(graph)["champion"].version
    stored = tiny.models.read(graph, champion)
    fields = {n: getattr(stored.manifest, n) for n in _draft_fields()}
    kept = {n: d for n, d in {**stored.files, **files}.items() if d is not None}
    return tiny.models.log(graph, _draft(**fields), kept)


def _draft_fields() -> tuple[str, ...]:
    from sluice.models.manifest import Draft

    return Draft.__struct_fields__


def _draft(**fields: Any) -> Any:
    from sluice.models.manifest import Draft

    return Draft(**fields)


def replay(tiny: Tiny, graph: str, name: str = REPLAY_FILE) -> Any:
    champion = tiny.models.aliases(graph)["champion"].version
    return orjson.loads(tiny.models.read(graph, champion).files[name])


def _value(row: Any) -> None:
    row["values"]["weather.temp"] = 99.5


def _text(row: Any) -> None:
    row["values"]["weather.sky"] = "hail"


def _null(row: Any) -> None:
    row["values"]["visits"] = None


def _tensor(row: Any) -> None:
    row["tensors"]["features"][1] = 1e6


def _score(row: Any) -> None:
    row["scores"][0] += 2e-6


@pytest.mark.parametrize(
    ("change", "problem", "column"),
    [
        (_value, "weather.temp: 1 rows, first trained on 99.5, served", "weather.temp"),
        (_text, "weather.sky: 1 rows, first trained on 'hail', served", "weather.sky"),
        (_null, "visits: 1 rows, first trained on None, served", "visits"),
        (_tensor, "transformed amount: 1 rows, first trained on 1000000.0", "transformed amount"),
        (_score, "score: 1 rows, first trained on", "score"),
    ],
)
def test_what_differs_is_named(shop: Tiny, change: Any, problem: str, column: str) -> None:
    content = replay(shop, "binary")
    change(content["rows"][5])
    number = relog(shop, "binary", {REPLAY_FILE: orjson.dumps(content)})
    with pytest.raises(GateFailed, match=f"version {number} is not served.*{problem}") as error:
        shop.gate("binary").check(number)
    assert error.value.evidence["differ"] == {column: 1}
    assert error.value.evidence["rows"] == 200


def test_a_column_of_a_model_with_several_inputs_is_named(shop: Tiny) -> None:
    content = replay(shop, "pipeline")
    content["rows"][0]["tensors"]["weather.sky"] = ["hail"]
    number = relog(shop, "pipeline", {REPLAY_FILE: orjson.dumps(content)})
    with pytest.raises(GateFailed, match=r"transformed weather\.sky: 1 rows"):
        shop.gate("pipeline").check(number)


@pytest.mark.parametrize(
    "change", [lambda t: t.pop(), lambda t: t.append(1.0), lambda t: t.clear()]
)
def test_a_tensor_of_another_width_fails(shop: Tiny, change: Any) -> None:
    content = replay(shop, "binary")
    change(content["rows"][0]["tensors"]["features"])
    number = relog(shop, "binary", {REPLAY_FILE: orjson.dumps(content)})
    with pytest.raises(GateFailed, match="features"):
        shop.gate("binary").check(number)


def test_a_golden_answer_that_differs_fails(shop: Tiny) -> None:
    content = replay(shop, "binary", GOLDEN_FILE)
    content["cases"][3]["expected"] = [0.123]
    number = relog(shop, "binary", {GOLDEN_FILE: orjson.dumps(content)})
    with pytest.raises(GateFailed, match=r"request 3: .*expected 0.123"):
        shop.gate("binary").check(number)


def test_a_training_row_that_serving_refuses_fails(shop: Tiny) -> None:
    content = replay(shop, "binary")
    content["rows"][2]["record"]["amount"] = "much"
    number = relog(shop, "binary", {REPLAY_FILE: orjson.dumps(content)})
    with pytest.raises(GateFailed, match="refused by serving: amount: expected a number") as error:
        shop.gate("binary").check(number)
    assert error.value.evidence["amount"] == "much"


def test_a_version_without_rows_to_replay_is_refused(shop: Tiny) -> None:
    for name in (REPLAY_FILE, GOLDEN_FILE):
        number = relog(shop, "binary", {name: None})
        with pytest.raises(
            VersionRefused, match=f"version {number}: {name}: is not in the version"
        ):
            shop.gate("binary").check(number)
    empty = orjson.dumps({"format": 1, "rows": []})
    number = relog(shop, "binary", {REPLAY_FILE: empty})
    with pytest.raises(GateFailed, match="no rows"):
        shop.gate("binary").check(number)


@pytest.mark.parametrize(
    ("data", "problem"),
    [(b"{", "not JSON"), (b'{"format": 2, "rows": []}', "is of format 2"), (b"[]", "format")],
)
@pytest.mark.parametrize("name", [REPLAY_FILE, GOLDEN_FILE])
def test_a_broken_or_newer_file_is_named(shop: Tiny, name: str, data: bytes, problem: str) -> None:
    number = relog(shop, "binary", {name: data})
    with pytest.raises(VersionRefused, match=f"version {number}: {name}: .*{problem}"):
        shop.gate("binary").check(number)


def fitted_on(shop: Tiny, definitions: Any = None, **columns: Any) -> Fitted:
    """The champion's candidate, trained on a table in which columns were altered."""
    data = shop.dataset("binary", definitions)
    table = {**data.table, **columns}
    return shop.fit("binary", replace(data, table=table))["trees"]


def test_weather_that_came_later_is_a_leak_and_fails(shop: Tiny) -> None:
    honest, early = shop.definitions, shop.copy(shop.root.parent / "early")
    early.edit("features.yaml", "delay: 1h", "delay: 0s")
    number = shop.log("binary", fitted_on(shop, early.definitions))
    assert shop.definitions.entities["weather"].delay == honest.entities["weather"].delay == 3600
    with pytest.raises(GateFailed, match=r"weather\.temp: \d+ rows") as error:
        shop.gate("binary").check(number)
    assert error.value.evidence["differ"]["weather.temp"] > 100


def test_values_altered_at_training_fail(shop: Tiny) -> None:
    temp = shop.dataset("binary").table["weather.temp"]
    number = shop.log("binary", fitted_on(shop, **{"weather.temp": np.asarray(temp) + 0.5}))
    with pytest.raises(GateFailed, match=r"weather\.temp: 200 rows"):
        shop.gate("binary").check(number)


def test_the_gate_moves_no_alias_and_makes_no_event(shop: Tiny) -> None:
    before = shop.models.aliases("binary")
    shop.gate("binary").check("1")
    assert shop.models.aliases("binary") == before
    assert not (shop.root / ".sluice" / "events.log").exists()
