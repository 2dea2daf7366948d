"""What all peers work with: a champion for Sluice, the same model for the others, and records.

Made once, in build/bench-state; made again when one of the files that it depends on has changed.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import shutil
from pathlib import Path
from time import time as now
from typing import Any

import msgspec

from bench import work
from sluice.application import Application
from sluice.features.definitions import Definitions
from sluice.features.materialise import materialise
from sluice.features.source import read_table
from sluice.live import CHAMPION
from sluice.models.manifest import seal
from sluice.parameters import Parameters
from sluice.project import Project
from sluice.service import read_spec

GRAPH = "flight-delay"
ENTITIES = ("weather", "plane", "airport")
COUNT = 2000  # records in the stream
MONTH = ("2013-04-01", "2013-05-01")
QUARTER = ("2013-04-01", "2013-07-01")
_STAMP = work.FOLDER / "stamp"


def prepare() -> None:
    """Make what is missing or out of date."""
    project = bench_project()
    stamp = _stamp(project)
    if not _STAMP.is_file() or _STAMP.read_text() != stamp:
        shutil.rmtree(work.FOLDER, ignore_errors=True)
        work.FOLDER.mkdir(parents=True)
        _make(project)
        _STAMP.write_text(stamp)


def bench_project() -> Project:
    """This project, with all that it keeps in build/bench-state."""
    project = Project.read(work.ROOT)
    state = str(work.FOLDER.relative_to(work.ROOT))
    settings = dataclasses.replace(project.settings, state=state, models="", features="", events="")
    return dataclasses.replace(project, settings=settings)


def _stamp(project: Project) -> str:
    graph = work.ROOT / "serving_graphs" / "flight_delay"
    # What is stored depends on these too: a version that they refuse is no peer.
    parts = [work.ROOT / "sluice" / p for p in ("features", "models", "training", "transform")]
    own = [p for part in parts for p in sorted(part.rglob("*.[cp]*")) if p.suffix in (".c", ".py")]
    files = [*sorted(graph.glob("*.*")), *own, Path(__file__), work.ROOT / "bench" / "work.py"]
    return hashlib.sha256(b"".join(f.read_bytes() for f in files)).hexdigest()


def _make(project: Project) -> None:
    from serving_graphs.flight_delay import training as flights
    from sluice.training.dataset import build_dataset
    from sluice.training.fit import Fitting, fit
    from sluice.training.training import Candidate
    from sluice.transform import Columns

    spec = read_spec(project, GRAPH)
    application = Application.open(project, Parameters.parse(spec.parameters["sluice"], spec.file))
    definitions, seed = application.definitions, project.settings.seed
    materialise(definitions, project.root, application.features, entities=ENTITIES)
    data = build_dataset(definitions, flights.training, project.root, flights.WINDOW)
    # These 25 columns whatever else the graph learns to use: the peers compute the same.
    columns = Columns({**flights.SCHEDULE, **flights.WEATHER, **flights.PLACES})
    candidate = Candidate(flights.candidates(seed)["xgboost"].estimator, columns)
    fitted = Fitting(flights.training, definitions, data, seed).fit("xgboost", candidate)
    number = application.models.log(GRAPH, fitted.draft, fitted.files)
    application.models.promote(GRAPH, number, CHAMPION, by="bench")
    application.close()
    fit(candidate, data)[1].save_model(work.BOOSTER)
    sealed = seal(GRAPH, "1", fitted.draft, fitted.files, now)
    work.VERSION.mkdir()
    for name, content in sealed.items():
        (work.VERSION / name).write_bytes(content)
    work.TABLES.write_bytes(msgspec.msgpack.encode(_tables(project, definitions, columns)))
    _write_records(seed)


def _write_records(seed: int) -> None:
    from serving_graphs.flight_delay import sources

    table = sources.requests(*MONTH).sample(COUNT, random_state=seed)
    work.RECORDS.write_text(table[sources.RECORD].to_json(orient="records"))
    sources.requests(*QUARTER)[sources.RECORD].to_csv(work.FLIGHTS, index=False)


def _tables(project: Project, definitions: Definitions, columns: Any) -> work.Tables:
    """The sources as dictionaries; of the weather no more than the records ask for."""
    from sluice.schema import seconds
    from sluice.transform.ops import Category

    weather: dict[str, dict[int, list[float]]] = {}
    first, last = (seconds(f"{day}T00:00:00Z") for day in MONTH)
    for key, time, values in _rows(project, definitions, "weather"):
        if first - 86400 <= time <= last + 86400:
            weather.setdefault(key, {})[int(time)] = values
    ops = columns.columns.values()
    codes = {op.inputs[0].split(".")[-1]: op.codes for op in ops if isinstance(op, Category)}
    planes = {key: tuple(v) for key, _, v in _rows(project, definitions, "plane")}
    airports = {key: v for key, _, v in _rows(project, definitions, "airport")}
    return work.Tables(weather, planes, airports, codes)


def _rows(project: Project, definitions: Definitions, entity: str) -> list[Any]:
    """Key, time and values of every row of an entity with one key, with its defaults in place."""
    table = read_table(definitions, entity, definitions.load_source(entity, project.root)())
    features = definitions.entities[entity].features
    columns = [
        [f.default if _nothing(value) else value for value in column.tolist()]
        for f, column in zip(features, table.values, strict=True)
    ]
    values = map(list, zip(*columns, strict=True))
    return list(zip(table.keys[0].tolist(), table.times.tolist(), values, strict=True))


def _nothing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


if __name__ == "__main__":
    prepare()
