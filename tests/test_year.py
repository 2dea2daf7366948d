"""April to December as served over HTTP by the January–March model.

YEAR_ROWS says how many flights, 6,000 by default; 0 takes all 249,435 (`make year`).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from serving_graphs.flight_delay import sources
from serving_graphs.flight_delay.training import training
from sluice.features.definitions import read_definitions
from sluice.live import load_version
from sluice.models.store import open_store
from sluice.training.dataset import build_dataset
from tests.serving import Client, served

ROWS = int(os.environ.get("YEAR_ROWS", "6000"))
AT_ONCE = 1000
LEAST_AUC = 0.67


def ask(client: Client, records: list[dict[str, Any]]) -> np.ndarray[Any, Any]:
    """Probabilities [n], from lists of a thousand records."""
    answers = []
    for start in range(0, len(records), AT_ONCE):
        reply = client.post("/", records[start : start + AT_ONCE])
        assert reply.status == 200
        answers += [output["probability"] for output in reply.body["outputs"]]
    return np.array(answers)


def test_the_rest_of_the_year(flights: Path, state: Path) -> None:
    definitions = read_definitions(flights / "serving_graphs/flight_delay/features.yaml", flights)
    window = {"start": "2013-04-01", "end": "2014-01-01"}
    data = build_dataset(definitions, training, flights, window)
    if ROWS:
        chosen = np.sort(np.random.default_rng(4).choice(len(data), ROWS, replace=False))
        data = data.rows(chosen)
    with served("flight-delay", flights) as client:
        online = ask(client, data.records)
        number = client.get("/v2/health/ready").body["versions"]["champion"]
    stored = open_store(state / "models/sluice").read("flight-delay", number)
    version = load_version(stored, definitions)
    tensors = version.transform.transform(data.table)
    offline = version.model.predict(tensors)[:, 0]
    auc = roc_auc_score(data.labels, online)
    print(
        f"{len(data)} flights: AUC {auc:.4f}, largest difference {abs(online - offline).max():.1e}"
    )
    assert abs(online - offline).max() <= 1e-6
    assert auc >= LEAST_AUC


def test_the_package_has_what_the_figures_need() -> None:
    flights = sources.requests("2013-01-01", "2013-04-01")
    assert len(flights) == 77_911
    assert pd.api.types.is_integer_dtype(flights["late"])
