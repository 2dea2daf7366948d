"""What an ONNX file computes with, read from its bytes: serving does not import onnx.

An ONNX file is a protobuf message; the numbers of its fields are those of onnx.proto, and never
change: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
"""

from __future__ import annotations

from collections.abc import Iterator

_GRAPH, _FUNCTIONS = 7, 25  # of a model
_NODE = 1  # of a graph
_OP_TYPE, _DOMAIN = 4, 7  # of a node
_SIZES = {1: 8, 5: 4}  # bytes of a number, by its wire type

# They treat each row by itself, by one routine whatever the number of rows.
_TREES = {
    ("ai.onnx.ml", "TreeEnsemble"),
    ("ai.onnx.ml", "TreeEnsembleClassifier"),
    ("ai.onnx.ml", "TreeEnsembleRegressor"),
}


def rows_are_alike(model: bytes) -> bool:
    """Whether a row has the same bits alone as among many, because trees do it all."""
    nodes = operators(model)
    return bool(nodes) and nodes <= _TREES


def operators(model: bytes) -> set[tuple[str, str]]:
    """(domain, type) of each node of a file that ONNX Runtime has loaded; functions come as one."""
    whole = memoryview(model)
    found = {("", "function") for _ in _parts(whole, _FUNCTIONS)}
    for graph in _parts(whole, _GRAPH):
        for node in _parts(graph, _NODE):
            found.add((_text(node, _DOMAIN), _text(node, _OP_TYPE)))
    return found


def _text(message: memoryview, number: int) -> str:
    return "".join(bytes(part).decode() for part in _parts(message, number))


def _parts(message: memoryview, number: int) -> Iterator[memoryview]:
    """The fields with this number: texts, and messages within the message."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind, size = tag & 7, 0
        if kind == 2:
            size, at = _varint(message, at)
            if tag >> 3 == number:
                yield message[at : at + size]
        elif kind == 0:
            _, at = _varint(message, at)
        else:
            size = _SIZES[kind]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, the lowest first; and where it ends."""
    number = shift = 0
    while True:
        byte = message[at]
        number |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return number, at
