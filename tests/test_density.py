"""A hundred versions of one model in one process: right answers, and no work for those idle."""

from __future__ import annotations

import math
from typing import Any

import pytest

from bench.many import make
from sluice.lazy_tensors import LazyTensors, computed
from sluice.live import CHAMPION, Version, bind, load_version
from sluice.message import Message
from sluice.models.folder import FolderStore
from sluice.models.forest import forest_of
from sluice.models.formats.trees import compiled
from sluice.models.manifest import Draft, Files, Stored
from sluice.models.model import TREES
from tests.tiny import ORDER, Tiny

GRAPH, COUNT = "binary", 100
ORDERS = [{**ORDER, "visits": n, "amount": 100.0 * n, "city": f"{n}"} for n in range(6)]

pytestmark = pytest.mark.skipif(compiled() is None, reason="installed without a C compiler")


class Counting(FolderStore):
    """A store that counts what is read."""

    reads = 0

    def read(self, graph: str, version: str) -> Stored:
        self.reads += 1
        return super().read(graph, version)


def hundred(shop: Tiny, *, own_transforms: bool = False, count: int = COUNT) -> None:
    """Versions of the shop's trees, in its store."""
    trained = shop.models.read(GRAPH, "2")
    forest = trained.files.get(TREES) or forest_of(trained.files["model.onnx"])
    stored = Stored(trained.manifest, {**trained.files, TREES: forest})
    make(shop.models.root, stored, count, own_transforms=own_transforms)


@pytest.fixture(params=[False, True], ids=["one transform", "a transform each"])
def store(shop: Tiny, request: pytest.FixtureRequest) -> Counting:
    hundred(shop, own_transforms=request.param)
    return Counting(shop.models.root)


def _as_new(version: Version, store: FolderStore) -> tuple[Draft, Files]:
    stored = FolderStore(store.root).read(GRAPH, version.number)
    known = {name: getattr(stored.manifest, name) for name in Draft.__struct_fields__}
    return Draft(**known), stored.files


def outputs(shop: Tiny, only: Version) -> Any:
    """What a version answers when no other is loaded."""
    application = shop.open(GRAPH)
    features, definitions = application.features, application.definitions
    live = bind(GRAPH, definitions, features, {only.number: only}, aliases={CHAMPION: only.number})
    vars(application).update(_live=live, _next_look=math.inf)
    with shop.service(GRAPH, application) as service:
        return service.predict(ORDERS)


def test_each_of_a_hundred_answers_what_it_does_alone(shop: Tiny, store: Counting) -> None:
    store_of = {"models": FolderStore(store.root)}
    with shop.service(GRAPH, shop.open(GRAPH, **store_of)) as service:
        definitions = service.application.definitions
        together = [service.predict(ORDERS, version=str(n + 1)) for n in range(COUNT)]
        unpinned = service.predict(ORDERS)
    assert unpinned == together[0]
    assert len({answers[1]["probability"] for answers in together}) == COUNT
    for number in ("1", "2", "57", "100"):
        version = load_version(store.read(GRAPH, number), definitions)
        assert outputs(shop, version) == together[int(number) - 1]


def test_one_transform_is_loaded_and_computed_once(shop: Tiny) -> None:
    hundred(shop)
    live = shop.open(GRAPH).live()
    assert len(live.versions) == COUNT
    assert len(live.transforms) == len({id(v.transform) for v in live.versions.values()}) == 1


def test_a_moved_alias_loads_what_is_new_and_nothing_else(shop: Tiny, store: Counting) -> None:
    application = shop.open(GRAPH, models=store)
    before = application.load()
    assert store.reads == COUNT
    new = store.log(GRAPH, *_as_new(before.champion, store))
    FolderStore(store.root).promote(GRAPH, new, "challenger")
    after = application.load()
    assert store.reads == COUNT + 1
    assert after.aliases["challenger"] == new == str(COUNT + 1)
    assert all(after.versions[number] is version for number, version in before.versions.items())
    application.close()


def test_transforms_that_nobody_asks_cost_nothing(shop: Tiny) -> None:
    hundred(shop, own_transforms=True, count=9)
    message = Message(list(ORDERS))
    with shop.service(GRAPH) as service:
        service.run(message)
        live = service.application.live()
        assert len(live.transforms) == 9
        assert dict.keys(message.tensors) == {live.champion.digest}
        pinned = Message(list(ORDERS))
        pinned.pin = "7"
        service.run(pinned)
        assert dict.keys(pinned.tensors) == {live.version("7").digest}
        whole = live.versions["3"].digest, live.versions["4"].digest
        assert computed(message.tensors, live, ["3", "4"]).keys() == set(whole)


def test_to_go_through_all_tensors_computes_them() -> None:
    made: list[str] = []

    def make_one(digest: str) -> tuple[dict[str, Any], str]:
        made.append(digest)
        return {"features": digest}, f"unknown to {digest}"

    unknown: dict[str, str] = {}
    tensors = LazyTensors("abc", make_one, unknown)
    assert tensors["b"] == tensors["b"] == {"features": "b"}
    assert (made, unknown) == (["b"], {"b": "unknown to b"})
    assert {"a", "c"} <= tensors.keys()
    assert sorted(digest for digest, _ in tensors.items()) == ["a", "b", "c"]
    assert sorted(made) == sorted(unknown) == ["a", "b", "c"]
