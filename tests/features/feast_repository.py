"""Runs in an environment that has Feast: makes a repository with a SQLite online store, here.

feast_repository.py fills it; `feast serve` then serves it.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
from feast import (  # type: ignore[import-not-found, unused-ignore]
    Entity,
    FeatureStore,
    FeatureView,
    Field,
    FileSource,
    ValueType,
)
from feast.types import (  # type: ignore[import-not-found, unused-ignore]
    Float64,
    Int64,
    String,
)

CONFIGURATION = """
project: shop
registry: registry.db
provider: local
online_store: {type: sqlite, path: online.db}
entity_key_serialization_version: 3
"""
NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)

Path("feature_store.yaml").write_text(CONFIGURATION, "utf-8")
rows = {
    "driver_id": [1001, 1001, 1002],
    "event_timestamp": [NOON - timedelta(hours=3), NOON, NOON + timedelta(hours=1)],
    "rate": [0.1, 0.5, None],
    "trips": [1, 3, 4],
    "city": ["Bonn", "Bonn", "Köln"],
}
pd.DataFrame(rows).to_parquet("drivers.parquet")
driver = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)
view = FeatureView(
    name="drivers",
    entities=[driver],
    source=FileSource(path="drivers.parquet", timestamp_field="event_timestamp"),
    schema=[
        Field(name="rate", dtype=Float64),
        Field(name="trips", dtype=Int64),
        Field(name="city", dtype=String),
    ],
)
store = FeatureStore(".")
store.apply([driver, view])
store.materialize(NOON - timedelta(days=1), NOON + timedelta(days=1))
