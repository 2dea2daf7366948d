"""The feature store by itself: looking ten keys up among a million, and taking events in."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from bench import work
from bench.part import Bench, Figures
from sluice.features.definitions import read_definitions
from sluice.features.embedded import EmbeddedStore
from sluice.features.ingest import Ingest
from sluice.features.store import Key, Layout

_KEYS, _BATCH, _CALLS, _EVENTS = 1_000_000, 10_000, 2000, 20_000
_FEATURES = "serving_graphs/flight_delay/features.yaml"
_LAYOUT = Layout(
    "plane", "bench", "time", (("tailnum", "string"),), tuple((f"v{i}", "number") for i in range(4))
)
Call = list[tuple[str, Key]]


def features(bench: Bench) -> Figures:
    """Microseconds of a call for ten keys of a million, drawn anew and the same again; events/s."""
    with tempfile.TemporaryDirectory() as folder:
        return {**_gets(bench, Path(folder) / "gets"), **_ingest(bench, Path(folder))}


def filled(folder: Path, keys: int) -> EmbeddedStore:
    """A store of so many keys, each with a row of four numbers."""
    store = EmbeddedStore(folder, ("bench", "gets"))
    for first in range(0, keys, _BATCH):
        numbers = range(first, min(first + _BATCH, keys))
        store.put_many(_LAYOUT, [((f"N{i}",), 1.4e9, [1.0, 2.5, 3.25, 4.0]) for i in numbers])
    store.publish(_LAYOUT)
    return store


def draw(keys: int, calls: int) -> list[Call]:
    """Calls for ten random keys each, of a store of so many."""
    chance = random.Random(1)
    return [[("plane", (f"N{chance.randrange(keys)}",)) for _ in range(10)] for _ in range(calls)]


def _gets(bench: Bench, folder: Path) -> Figures:
    [store] = [filled(folder, keys) for keys in bench.progress("fill", [_KEYS])]
    drawn = draw(_KEYS, _CALLS)
    found: dict[str, list[float]] = {"store_get_us": [], "store_get_same_us": []}
    for name in bench.turns("store", list(found)):
        calls = drawn if name == "store_get_us" else drawn[:1] * _CALLS
        found[name].append(median(_microseconds(store, call) for call in calls))
    store.close()
    return {name: median(values) for name, values in found.items()}


def _microseconds(store: EmbeddedStore, call: Call) -> float:
    began = time.perf_counter()
    store.get_many(call, 1.5e9)
    return (time.perf_counter() - began) * 1e6


def _ingest(bench: Bench, folder: Path) -> Figures:
    definitions = read_definitions(work.ROOT / _FEATURES, work.ROOT)
    events = list(_departures())
    rates: list[float] = []
    for turn in bench.turns("ingest", [0]):
        store = EmbeddedStore(folder / f"ingest{len(rates) + turn}", ("bench", "ingest"))
        ingest = Ingest(definitions, store)
        began = time.perf_counter()
        for first in range(0, _EVENTS, 1000):
            ingest.take(events[first : first + 1000])
        rates.append(_EVENTS / (time.perf_counter() - began))
        store.close()
    return {"ingest_events_per_s": median(rates)}


def _departures() -> Iterator[dict[str, Any]]:
    """Departures, a quarter of them out of order; each is folded into three entities."""
    chance = random.Random(2)
    for i in range(_EVENTS):
        moment = 1.36e9 + 60 * i - chance.choice([0, 0, 0, 300])
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))
        delay = float(chance.randrange(-10, 60))
        data = {
            "at": at, "carrier": chance.choice(["UA", "AA", "DL", "B6"]),
            "origin": chance.choice(["EWR", "JFK", "LGA"]), "dest": f"A{chance.randrange(100)}",
            "dep_delay": delay, "late": delay > 15,
        }  # fmt: skip
        yield {"type": "departure", "id": f"{i}", "data": data}
