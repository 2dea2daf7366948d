"""Model stores with many versions of the reference model, each with trees of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import numpy as np
import orjson

from bench import work
from bench.prepare import GRAPH
from sluice.live import CHAMPION, TRANSFORM_FILE
from sluice.models.aliases import Table
from sluice.models.document import write_document
from sluice.models.formats.trees import NODE, Head
from sluice.models.manifest import Draft, Files, Stored, seal, unseal
from sluice.models.model import TREES
from sluice.transform.transform import read_transform

_MADE = "2013-04-01T00:00:00Z"


def alias(number: int) -> str:
    """The alias of a version: the first is the champion."""
    return CHAMPION if number == 1 else f"v{number}"


def reference() -> Stored:
    """The bench's own model."""
    return unseal(GRAPH, "1", {file.name: file.read_bytes() for file in work.VERSION.iterdir()})


def make(store: Path, stored: Stored, count: int, *, own_transforms: bool = False) -> None:
    """Put `count` live versions of a graph into a model store in a folder, in place of all it had.

    Version 1 is `stored`, whose model is a forest. The others differ from it in the weights of the
    leaves and, with `own_transforms`, in a category that no record has, so that no two transforms
    are the same. Written as a store writes it, without waiting for the disk a thousand times.
    """
    graph, table = stored.manifest.graph, Table()
    shutil.rmtree(store / graph, ignore_errors=True)
    known = {name: getattr(stored.manifest, name) for name in Draft.__struct_fields__}
    for number in range(1, count + 1):
        files: dict[str, bytes] = {**stored.files, TREES: trees(stored.files[TREES], number)}
        draft = Draft(**known)
        if own_transforms:
            files[TRANSFORM_FILE] = transform(stored.files, number)
            digest = read_transform(files[TRANSFORM_FILE]).digest
            draft = msgspec.structs.replace(draft, transform_digest=digest)
        version = store / graph / str(number)
        version.mkdir(parents=True)
        for name, data in seal(graph, version.name, draft, files, lambda: 0.0).items():
            (version / name).write_bytes(data)
        table = table.promote(alias(number), version.name, _MADE, "bench")
    (store / graph / "aliases.json").write_bytes(write_document(table))


def trees(data: bytes, number: int) -> bytes:
    """The forest with each leaf's weight changed a little; that of version 1 is the same."""
    line, _, rest = data.partition(b"\n")
    count = msgspec.json.decode(line, type=Head).nodes
    nodes = np.frombuffer(rest, NODE, count).copy()
    leaves = nodes["step"] == 0
    nodes["threshold"][leaves] *= np.float32(1 + (number - 1) / 1000)
    return line + b"\n" + nodes.tobytes() + rest[nodes.nbytes :]


def transform(files: Files, number: int) -> bytes:
    """The transform with one more category in its first column of them, which no record has."""
    content = orjson.loads(files[TRANSFORM_FILE])
    fitted = next(c["fitted"] for c in content["columns"] if c["op"] == "category")
    fitted["categories"] = [*fitted["categories"], f"of version {number}"]
    return orjson.dumps(content)
