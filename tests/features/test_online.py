"""Entities that other stores keep: what is asked of them, and what is none of theirs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sluice.batch.typed import REASONS
from sluice.errors import DeclarationError
from sluice.features.definitions import read_definitions
from sluice.features.feast import FeastReader
from sluice.features.lookup import Lookup
from sluice.features.materialise import materialise
from sluice.features.online import beside
from sluice.features.source import load_sources
from sluice.features.store import OnlineStore, layout_of
from sluice.features.table import TableLookup
from tests.features.cases import look_up
from tests.features.conftest import Opener
from tests.features.elsewhere import NAMES, NOON, FeastServer, definitions, looked, running


def test_one_request_for_many_records(tmp_path: Path, opened: Opener, feast: FeastServer) -> None:
    declared = definitions(tmp_path)
    store = opened(declared, feast.url)
    found = looked(store, declared, 1001.0, 1002.0, 1001.0, 7.0, now=NOON + 3600)
    assert [f.values for f in found] == [
        [0.5, 3.0, "Bonn"], [0.25, 4.0, "Köln"], [0.5, 3.0, "Bonn"], [0.25, 0.0, "nowhere"],
    ]  # fmt: skip
    assert found[1].defaulted == {"drivers.rate": "null"}
    assert found[3].defaulted == dict.fromkeys(NAMES, "missing")
    assert [f.ages for f in found] == [{"drivers": 3600}, {"drivers": 0}, {"drivers": 3600}, {}]
    [(path, body)] = feast.asked
    assert path == "/get-online-features"
    assert body["entities"] == {"driver_id": [1001, 1002, 7]}
    assert body["features"] == ["drivers:rate", "drivers:trips", "drivers:city"]
    looked(store, declared, 1001.0, now=NOON)
    assert feast.connections == 1


def test_a_row_that_is_later_or_too_old_is_not_used(
    tmp_path: Path, opened: Opener, feast: FeastServer
) -> None:
    declared = definitions(tmp_path)
    store = opened(declared, feast.url)
    assert looked(store, declared, 1001.0, now=NOON - 1)[0].defaulted["drivers.rate"] == "missing"
    [old] = looked(store, declared, 1001.0, now=NOON + 7201)
    assert old.defaulted == dict.fromkeys(NAMES, "stale")


def test_tables_look_up_the_same(tmp_path: Path, opened: Opener, feast: FeastServer) -> None:
    declared = definitions(tmp_path)
    store = opened(declared, feast.url)
    drivers = np.array([1001.0, 1002.0, 7.0, 1001.0])
    moments = np.array([NOON, NOON + 3600, NOON, NOON - 1])
    columns = TableLookup(declared, NAMES, store).columns({"driver": drivers}, moments)
    assert len(feast.asked) == 1
    lookup = look_up(Lookup(declared, NAMES, store), [[d] for d in drivers], moments.tolist())
    for place, name in enumerate(NAMES):
        column = columns.values[name]
        assert column.tolist() == [f.values[place] for f in lookup]
        why = [REASONS[code] or None for code in columns.why[name]]
        assert why == [f.defaulted.get(name) for f in lookup]


def test_a_server_that_was_restarted_is_asked_once_more(tmp_path: Path, opened: Opener) -> None:
    declared = definitions(tmp_path)
    with running() as feast:
        store = opened(declared, feast.url)
        assert not looked(store, declared, 1001.0, now=NOON)[0].defaulted
        feast.drop = True
        assert not looked(store, declared, 1001.0, now=NOON)[0].defaulted
        assert not looked(store, declared, 1001.0, now=NOON)[0].defaulted
        assert feast.connections == 3


def test_what_feast_does_not_have_is_an_error(
    tmp_path: Path, opened: Opener, feast: FeastServer
) -> None:
    declared = definitions(tmp_path)
    feast.status = 404
    with pytest.raises(DeclarationError, match="Feast answers 404: no such view"):
        looked(opened(declared, feast.url), declared, 1001.0, now=NOON)
    feast.status = 200
    text = (tmp_path / "features.yaml").read_text("utf-8")
    text = text.replace("city: {type: string, default: nowhere}", "city: {type: number}")
    (tmp_path / "features.yaml").write_text(text, "utf-8")
    wrong = read_definitions(tmp_path / "features.yaml", tmp_path)
    with pytest.raises(DeclarationError, match=r"features.city: .* has 'Bonn', expected a number"):
        looked(opened(wrong, feast.url), wrong, 1001.0, now=NOON)


@pytest.mark.parametrize(
    ("online", "changes", "problem"),
    [
        ("feast", {}, "no store 'feast' (feast:VIEW or mlrun:PROJECT/VECTOR)"),
        ("hopsworks:x", {}, "no store 'hopsworks:x'"),
        ("feast:x", {"timeout": "    retention: 3d #"}, "retention: is for rows that this graph"),
        ("mlrun:p/x", {}, "max_age: needs a timestamp"),
    ],
)
def test_declarations(tmp_path: Path, online: str, changes: Any, problem: str) -> None:
    with pytest.raises(DeclarationError) as error:
        definitions(tmp_path, online, **changes)
    assert problem in str(error.value)


def test_it_is_read_only_and_has_no_history(tmp_path: Path, own: OnlineStore) -> None:
    declared = definitions(tmp_path)
    assert materialise(declared, tmp_path, own, progress=False) == {}
    with pytest.raises(DeclarationError, match="another store fills it"):
        materialise(declared, tmp_path, own, entities=["drivers"], progress=False)
    with pytest.raises(DeclarationError, match="source: is missing: training needs it"):
        load_sources(declared, tmp_path, ["drivers"])
    with pytest.raises(DeclarationError, match="no feature server is named"):
        beside(own, declared, "")
    for url in ("redis://x", "http://"):
        with pytest.raises(DeclarationError, match="no feature server"):
            FeastReader(url, "drivers", layout_of(declared, "drivers"), 1.0)
