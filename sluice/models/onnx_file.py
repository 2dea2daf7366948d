"""What an ONNX file declares: its inputs and outputs, read by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sluice.errors import SluiceError, nearest
from sluice.models.signature import Signature, Tensor

_DTYPES = {
    "float16": "float16", "float": "float32", "double": "float64", "bool": "bool",
    "string": "text",
    **{f"{sign}int{bits}": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}  # fmt: skip
_SEQUENCE = "leave it out (--outputs), or convert without ZipMap (zipmap=False)"
Shapes = Mapping[str, Sequence[int]]


def read_signature(
    session: Any, outputs: Sequence[str] = (), shapes: Shapes | None = None
) -> Signature:
    """The signature of a loaded file.

    Args:
        session: ONNX Runtime's.
        outputs: those that are answered; all, if none is named.
        shapes: by input or output, a record's part, where the file leaves sizes open.

    Raises SluiceError that names the input or output.
    """
    given, made = session.get_inputs(), session.get_outputs()
    shapes = shapes or {}
    _refuse_unknown("output", outputs, made)
    _refuse_unknown("input or output", shapes, [*given, *made])
    chosen = [node for node in made if not outputs or node.name in outputs]
    rows = {_rows("input", node) for node in given}
    if len(rows) > 1:
        raise SluiceError("some inputs take one record a call, others any number: export anew")
    for node in chosen:
        _rows("output", node)
    return Signature(
        [_tensor("input", node, shapes) for node in given],
        [_tensor("output", node, shapes) for node in chosen],
        next(iter(rows), None),
    )


def _refuse_unknown(what: str, names: Iterable[str], nodes: Sequence[Any]) -> None:
    known = [node.name for node in nodes]
    for name in names:
        if name not in known:
            raise SluiceError(f"the file has no {what} {name!r}: {nearest(name, known)}")


def _rows(what: str, node: Any) -> int | None:
    """How many records a call takes: the first axis of every input."""
    if not node.shape:
        if what == "input":
            raise SluiceError(f"input {node.name!r} has no axis of records: its shape is empty")
        return None
    first = node.shape[0]
    if first == 1 or not isinstance(first, int):
        return 1 if first == 1 else None
    if what == "input":
        hint = "export it with a dynamic first axis (or of size 1)"
        raise SluiceError(f"input {node.name!r} takes {first} records, always: {hint}")
    return None


def _tensor(what: str, node: Any, shapes: Shapes) -> Tensor:
    kind = node.type.removeprefix("tensor(").removesuffix(")")
    if kind not in _DTYPES:
        hint = f": {_SEQUENCE}" if what == "output" else ""
        raise SluiceError(f"{what} {node.name!r} is a {node.type}, no tensor that is served{hint}")
    shape = list(node.shape or [])[1:]
    if node.name in shapes:
        shape = _given(what, node.name, shape, list(shapes[node.name]))
    for size in shape:
        if not isinstance(size, int) or size < 1:
            axes = ",".join(str(s) if isinstance(s, int) else "…" for s in shape)
            hint = f"say what a record has: --shape {node.name}={axes}"
            raise SluiceError(f"{what} {node.name!r} leaves the size {size!r} open: {hint}")
    return Tensor(node.name, _DTYPES[kind], shape)  # type: ignore[arg-type]


def _given(what: str, name: str, declared: list[Any], given: list[int]) -> list[int]:
    fits = len(declared) == len(given) and all(
        not isinstance(size, int) or size == mine
        for size, mine in zip(declared, given, strict=False)
    )
    if declared and not fits:
        raise SluiceError(f"{what} {name!r} is of shape {declared} in the file, not {given}")
    return given


def record_section(signature: Signature) -> dict[str, dict[str, Any]]:
    """What features.yaml has to declare under `record` for a file's inputs, a field for each."""
    return {tensor.name: _field(tensor) for tensor in signature.inputs}


def _field(tensor: Tensor) -> dict[str, Any]:
    kind = {"text": "string", "bool": "boolean"}.get(tensor.dtype, "number")
    made: dict[str, Any] = {"type": "integer" if tensor.whole else kind}
    if tensor.single:
        made["required"] = True
        if tensor.whole or kind == "boolean":
            made["nullable"] = False
    else:
        made["shape"] = tensor.shape
    if tensor.whole:
        made["minimum"], made["maximum"] = map(int, tensor.limits)
    return made
