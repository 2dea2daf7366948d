"""How the cost of a request grows: with steps, look-ups, models, records, the store and workers."""

from __future__ import annotations

import gc
import itertools
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import yaml

from bench import many
from bench.load import load
from bench.part import Bench, Figures
from bench.parts.features import draw, filled
from bench.parts.graph import empty_graph
from bench.prepare import bench_project
from bench.scale import CURVES, cpu_us, fit, name_of, points
from bench.server import Server, sluice
from bench.service import open_service
from sluice.features.definitions import read_definitions
from sluice.features.embedded import EmbeddedStore
from sluice.features.lookup import Lookup
from sluice.features.store import TIMELESS, layout_of
from sluice.message import Message

STEPS = (1, 2, 4, 8, 16, 32, 64)
FEATURES = (1, 4, 16, 64, 256)
ENTITIES = (1, 2, 4, 8, 16)
MODELS = (1, 2, 4, 8, 16, 32)
RECORDS = (1, 3, 10, 30, 100, 300, 1000)
KEYS = (1_000, 10_000, 100_000, 1_000_000)
_SECONDS = 0.1  # of CPU, for a point in a round
_CONNECTIONS, _WARM_S = 64, 0.5
Calls = dict[str, Callable[[], Any]]  # by figure


def scaling(bench: Bench) -> Figures:
    """The points of all curves, µs of CPU per request, and the law of each."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        calls = _steps() | _lookups(Path(folder), stack) | _records(folder, stack)
        calls |= _models(Path(folder), stack) | _keys(bench, Path(folder), stack)
        found: dict[str, list[float]] = {name: [] for name in calls}
        gc.freeze()  # as a worker does: a collection need not walk what all the others are made of
        stack.callback(gc.unfreeze)
        for name in bench.turns("scaling", list(calls)):
            calls[name]()
            found[name].append(cpu_us(calls[name], _SECONDS))
    figures = {name: median(values) for name, values in found.items()}
    return {**figures, **_laws(figures), **_workers(bench)}


def _laws(figures: Figures) -> Figures:
    laws = {name: fit(curve, points(figures, name)) for name, curve in CURVES.items()}
    return {
        f"scaling_{name}_{what}": value
        for name, law in laws.items()
        for what, value in (("fixed_us", law.fixed), ("each_us", law.each), ("worst", law.worst))
    }


def _steps() -> Calls:
    graphs = {n: empty_graph(n) for n in STEPS}
    return {name_of("steps", n): partial(graph.run, None) for n, graph in graphs.items()}


def _lookups(folder: Path, stack: ExitStack) -> Calls:
    """Look-ups of one entity with n features, and of n entities with one each."""
    shapes = {name_of("features", n): (1, n) for n in FEATURES}
    shapes |= {name_of("entities", n): (n, 1) for n in ENTITIES}
    return {name: _lookup(folder / name, stack, *shape) for name, shape in shapes.items()}


def _lookup(folder: Path, stack: ExitStack, entities: int, features: int) -> Callable[[], Any]:
    folder.mkdir()
    entity = {
        "source": "bench.parts.scaling.nothing",
        "keys": {"id": "id"},
        "features": {f"f{i}": {"type": "number"} for i in range(features)},
    }
    record = {"id": {"type": "string", "required": True}}
    declared = {"format": 1, "record": record}
    declared["entities"] = {f"e{i}": entity for i in range(entities)}
    (folder / "features.yaml").write_text(yaml.safe_dump(declared))
    definitions = read_definitions(folder / "features.yaml", folder)
    store = EmbeddedStore(folder / "store", ("bench", "scaling"))
    stack.callback(store.close)
    for name in definitions.entities:
        layout = layout_of(definitions, name)
        row = [float(i) for i in range(features)]
        store.put_many(layout, [((f"N{i}",), TIMELESS, row) for i in range(100)])
        store.publish(layout)
    look_up = Lookup(definitions, list(definitions.features), store).look_up
    asked = itertools.cycle(f"N{i}" for i in range(100))
    return lambda: look_up([[next(asked)]], [1.0], [{}])


def nothing() -> Any:
    """The source of entities whose rows are put by hand."""
    raise TypeError("these entities are not materialised")


def _records(folder: str, stack: ExitStack) -> Calls:
    service = stack.enter_context(open_service({}, events=f"{folder}/events/of-records"))
    return {name_of("records", n): _asking(service, n) for n in RECORDS}


def _models(folder: Path, stack: ExitStack) -> Calls:
    """The reference model and others like it, all of which answer."""
    many.make(folder / "models" / bench_project().name, many.reference(), max(MODELS))
    calls: Calls = {}
    for n in MODELS:
        members = {many.alias(number): 1 for number in range(1, n + 1)}
        changes: Mapping[str, Any] = {"router": {"policy": "ensemble", "members": members}}
        places = {"models": str(folder / "models"), "events": f"{folder}/events/of-{n}"}
        service = stack.enter_context(open_service(changes, **places))
        calls[name_of("models", n)] = _asking(service, 1)
    return calls


def _asking(service: Any, n: int) -> Callable[[], Any]:
    """A call that asks for n records at once, each time for others."""
    stream = itertools.cycle(Bench(1, 1.0).records)

    def call() -> Any:
        return service.run(Message.of([next(stream) for _ in range(n)] if n > 1 else next(stream)))

    return call


def _keys(bench: Bench, folder: Path, stack: ExitStack) -> Calls:
    calls: Calls = {}
    for n in bench.progress("fill", list(KEYS)):
        store = filled(folder / f"keys-{n}", n)
        stack.callback(store.close)
        drawn = itertools.cycle(draw(n, 2000))
        calls[name_of("keys", n)] = partial(_get, store, drawn)
    return calls


def _get(store: EmbeddedStore, drawn: Any) -> Any:
    return store.get_many(next(drawn), 1.5e9)


def _workers(bench: Bench) -> Figures:
    """Requests per second and CPU per request of one worker and of two, at 64 connections."""
    found: dict[str, list[float]] = {}
    with ExitStack() as stack:
        servers = {n: Server(f"workers_{n}", sluice(n)) for n in (1, 2)}
        for server in servers.values():
            stack.callback(server.stop)
            server.first_answer(bench.records[0])
        requests = [server.request(record) for record in bench.records]
        for n in bench.turns("workers", servers):
            load(servers[n].port, requests, _CONNECTIONS, _WARM_S)
            before = servers[n].cpu_seconds
            outcome = load(servers[n].port, requests, _CONNECTIONS, bench.seconds)
            used = servers[n].cpu_seconds - before
            found.setdefault(f"scaling_workers_{n}_rps", []).append(outcome.rate)
            cost = used / len(outcome.latencies) * 1e6
            found.setdefault(f"scaling_workers_{n}_cpu_us", []).append(cost)
    return {name: median(values) for name, values in found.items()}
