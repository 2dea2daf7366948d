"""What a graph's inputs and outputs are as tensors of the Open Inference Protocol: its metadata."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sluice.live import Live, Version
from sluice.models.signature import DATATYPES as TYPED
from sluice.protocol.http import dumps
from sluice.protocol.ranked import Ranked
from sluice.schema import Field, Schema
from sluice.transform.typed import Typed

DATATYPES = {
    "string": "BYTES",
    "timestamp": "BYTES",
    "integer": "INT64",
    "number": "FP64",
    "boolean": "BOOL",
}


class Output(NamedTuple):
    """How an output goes out: its datatype, its classes if it has a number for each, and the shape
    of an array."""

    datatype: str
    classes: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()

    @property
    def shape(self) -> list[int]:
        """That of metadata: the number of rows is −1."""
        return [-1, len(self.classes)] if self.classes else [-1, *self.sizes]


def outputs_of(versions: Sequence[Version]) -> dict[str, Output]:
    """The outputs that all of the versions have, by name."""
    first, *others = [_outputs(version) for version in versions]
    for other in others:
        first = {n: _both(first[n], other[n]) for n in first if n in other}
    return {n: output for n, output in first.items() if output is not None}


def _outputs(version: Version) -> dict[str, Output | None]:
    if version.signature is not None:
        return {
            t.name: Output(TYPED[t.dtype], sizes=() if t.single else tuple(t.shape))
            for t in version.signature.outputs
        }
    classes = version.manifest.classes
    special = {
        "label": Output(_label_type(classes)),
        "probabilities": Output("FP64", tuple(map(str, classes))),
    }
    return {n: special.get(n, Output("FP64")) for n in version.manifest.outputs}


def _both(one: Output | None, other: Output | None) -> Output | None:
    """Labels of two types go out as text; columns for other classes can't be in one tensor."""
    if one == other:
        return one
    if one is None or other is None or one.shape != [-1] or other.shape != [-1]:
        return None
    return Output("BYTES")


def _label_type(classes: Sequence[Any]) -> str:
    kinds = set(map(type, classes))
    if kinds == {bool}:
        return "BOOL"
    if kinds == {int}:
        return "INT64"
    return "FP64" if kinds and kinds <= {int, float} else "BYTES"


def metadata(
    live: Live, schema: Schema, version: str | None, ranked: Ranked | None = None
) -> dict[str, Any]:
    """What GET /v2/models/{name}[/versions/{v}] answers. Raises NotFound."""
    chosen = live.version(version) if version else live.champion
    inputs = [_input(field, chosen) for field in schema.fields]
    outputs = [_described(n, o) for n, o in outputs_of([chosen]).items()]
    if ranked is not None:
        inputs, outputs = inputs + ranked.inputs(), ranked.described()
    return {
        "name": live.graph,
        "versions": [chosen.number] if version else sorted(live.versions, key=int),
        "platform": "sluice",
        "inputs": inputs,
        "outputs": outputs,
    }


def _input(field: Field, version: Version) -> dict[str, Any]:
    """A field as metadata has it: of the type that the model file has it in, where it has."""
    datatype = DATATYPES[field.type]
    if isinstance(version.transform, Typed):
        for tensor in version.transform.tensors:
            if version.transform.columns[tensor.name] == [field.name]:
                datatype = TYPED[tensor.dtype]
    return {"name": field.name, "datatype": datatype, "shape": [-1, *field.shape]}


def _described(name: str, output: Output) -> dict[str, Any]:
    described: dict[str, Any] = {"name": name, "datatype": output.datatype, "shape": output.shape}
    if output.classes:  # which column is whose
        described["parameters"] = {"classes": dumps(output.classes).decode()}
    return described
