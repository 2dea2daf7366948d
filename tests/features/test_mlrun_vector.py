"""A feature vector by MLRun's own code, without its server: offline, and online on a stand-in.

The feature set's rows lie in a Parquet file. Online, a driver that stands in for a key-value
table's server has the newest of them; the vector's graph on top of it is MLRun's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from sluice.errors import DeclarationError, StoreUnavailable
from sluice.features.mlrun_vector import MlrunReader
from sluice.features.online import Beside
from sluice.features.store import layout_of, open_store
from tests.features.elsewhere import NAMES, NOON, definitions, looked

ROWS: dict[str, list[Any]] = {
    "driver_id": [1001, 1001, 1002],
    "at": ["2024-01-01T09:00:00", "2024-01-01T12:00:00", "2024-01-01T13:00:00"],
    "rate": [0.1, 0.5, None],
    "trips": [1, 3, 4],
    "city": ["Bonn", "Bonn", "Köln"],
}
BAD = "13"


@pytest.fixture
def vector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The vector drivers: rate, trips, city, and `seen`, when a row was true; of BAD an error."""
    from mlrun.data_types import ValueType
    from mlrun.datastore import targets
    from mlrun.feature_store import Entity, FeatureSet, FeatureVector
    from mlrun.features import Feature
    from mlrun.model import DataTarget
    from storey import Driver, Table

    class Kept(Driver):  # type: ignore[misc, unused-ignore]
        """The newest row of each key."""

        async def _load_aggregates_by_key(self, container: str, path: str, key: str) -> Any:
            if key == BAD:
                raise RuntimeError("the table is away")
            rows = [dict(zip(ROWS, row, strict=True)) for row in zip(*ROWS.values(), strict=True)]
            newest = {str(row["driver_id"]): {**row, "seen": row["at"]} for row in rows}
            return None, newest.get(key)

    class KeptTarget(targets.BaseStoreTarget):  # type: ignore[misc, unused-ignore]
        kind = "kept"
        is_online = is_table = support_storey = True

        def get_table_object(self) -> Any:
            return Table("drivers", Kept())

    monkeypatch.setitem(targets.kind_to_driver, "kept", KeptTarget)
    frame = pd.DataFrame({**ROWS, "at": pd.to_datetime(ROWS["at"])})
    frame.assign(seen=frame["at"]).to_parquet(tmp_path / "drivers.parquet")
    drivers = FeatureSet("drivers", entities=[Entity("driver_id", ValueType.INT64)])
    drivers.spec.timestamp_key, drivers.metadata.project = "at", "shop"
    times, texts = ValueType.DATETIME, ValueType.STRING
    for name, kind in zip(
        ("at", "seen", "rate", "trips", "city"),
        (times, times, ValueType.FLOAT, ValueType.INT64, texts),
        strict=True,
    ):
        drivers.spec.features[name] = Feature(kind, name=name)
    parquet = str(tmp_path / "drivers.parquet")
    drivers.status.update_target(DataTarget(kind="parquet", name="parquet", path=parquet))
    drivers.status.update_target(DataTarget(kind="kept", name="kept", path="kept"))
    made = FeatureVector("drivers", [f"drivers.{n}" for n in ("rate", "trips", "city", "seen")])
    made.metadata.project = "shop"
    made.feature_set_objects = {"drivers": drivers}
    return made


@pytest.mark.filterwarnings("default")
def test_online_says_what_offline_said_as_of_then(vector: Any, tmp_path: Path) -> None:
    asked = pd.DataFrame({"driver_id": [1001, 1001, 7]})
    moments = ["2024-01-01T10:00:00", "2024-01-01T12:30:00", "2024-01-01T12:30:00"]
    asked["time"] = pd.to_datetime(moments)
    offline = vector.get_offline_features(
        entity_rows=asked, entity_timestamp_column="time", update_stats=False
    ).to_dataframe()
    assert offline["trips"].tolist()[:2] == [1, 3]

    timed = "    timestamp: seen\n    keys:"
    declared = definitions(tmp_path, "mlrun:shop/drivers", keys=timed)
    layout = layout_of(declared, "drivers")
    reader = MlrunReader(
        "shop/drivers", layout, 10.0, lambda name: vector.get_online_feature_service()
    )
    own = open_store(tmp_path / "features", ("p", "g"))
    store = Beside(own, {"drivers": reader}, {"drivers": layout})
    found = looked(store, declared, 1001.0, 7.0, now=NOON + 1800)
    for place, online in ((1, found[0]), (2, found[1])):
        row = offline.iloc[place]
        wanted = [row["rate"], row["trips"], row["city"]]
        assert online.values == (wanted if place == 1 else [0.25, 0.0, "nowhere"])
    assert (found[0].ages, found[0].defaulted) == ({"drivers": 1800.0}, {})
    assert found[1].defaulted == dict.fromkeys(NAMES, "missing")
    # At ten o'clock offline has an older row; online knows the newest alone, and does not use it.
    [early] = looked(store, declared, 1001.0, now=NOON - 7200)
    assert early.defaulted == dict.fromkeys(NAMES, "missing")
    [other] = looked(store, declared, 1002.0, now=NOON + 3600)
    assert (other.values, other.defaulted) == ([0.25, 4.0, "Köln"], {"drivers.rate": "null"})
    store.close()


@pytest.mark.filterwarnings("default")
def test_after_an_error_of_its_table_it_answers_again(vector: Any, tmp_path: Path) -> None:
    """MLRun's graph ends with the first error; the reader has another one made."""
    declared = definitions(tmp_path, "mlrun:shop/drivers", max_age="    owner: us #")
    reader = MlrunReader(
        "s/drivers", layout_of(declared, "drivers"), 10.0,
        lambda name: vector.get_online_feature_service(),
    )  # fmt: skip
    before = reader.read([(1001.0,)])
    with pytest.raises(StoreUnavailable, match="the table is away"):
        reader.read([(float(BAD),)])
    assert reader.read([(1001.0,)]) == before
    reader.close()


@pytest.mark.filterwarnings("default")
def test_a_vector_that_there_is_not(tmp_path: Path) -> None:
    """Without a server MLRun says nothing, and answers nothing."""
    declared = definitions(tmp_path, "mlrun:shop/riders", max_age="    owner: us #")
    reader = MlrunReader("shop/riders", layout_of(declared, "drivers"), 10.0)
    with pytest.raises(DeclarationError, match=r"no feature vector shop/riders \(MLRUN_DBPATH"):
        reader.read([(1001.0,)])
    reader.close()
