"""Tensors of the Open Inference Protocol: their data as JSON, or as bytes behind it.

Bytes are little-endian and without padding; an element of BYTES is a length (4 bytes) and UTF-8.

Specification: https://github.com/open-inference/open-inference-protocol, and its extension
"binary tensor data".
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from sluice.arrays import nested
from sluice.errors import RequestError
from sluice.quote import found

_DTYPES = {
    "INT8": "<i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8",
    "UINT8": "<u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8",
    "FP16": "<f2", "FP32": "<f4", "FP64": "<f8",
}  # fmt: skip
NUMBERS = tuple(_DTYPES)
_LENGTH = struct.Struct("<I")


class Tail:
    """The bytes behind the JSON of a request, taken by one tensor after the other."""

    def __init__(self, data: bytes = b"") -> None:
        self._data, self._at = data, 0

    def take(self, name: str, size: Any) -> bytes:
        """The next `size` bytes. Raises RequestError when they are not there."""
        if type(size) is not int or size < 0:
            raise RequestError(f"input {name!r}: binary_data_size {found(size)} is no size")
        start, self._at = self._at, self._at + size
        if self._at > len(self._data):
            left = len(self._data) - start
            raise RequestError(
                f"input {name!r}: binary_data_size {size}, but {left} bytes are left"
            )
        return self._data[start : self._at]

    def done(self) -> None:
        """Raises RequestError when bytes are left over."""
        left = len(self._data) - self._at
        if left:
            raise RequestError(f"{left} bytes behind the JSON belong to no input")


def read(tensor: Mapping[str, Any], tail: Tail) -> list[Any]:
    """The values [n] of a tensor of shape [n] or [n, 1]. Raises RequestError naming the tensor."""
    name, shape = tensor["name"], tensor["shape"]
    if not _whole(shape) or shape[1:] not in ([], [1]):
        raise RequestError(f"input {name!r}: shape {found(shape)}, expected [n] or [n, 1]")
    return _values(tensor, tail)


def read_lists(tensor: Mapping[str, Any], tail: Tail) -> list[list[Any]]:
    """The values [n, m] of a tensor of shape [n, m]; or [n], where m is 1.

    Raises RequestError naming the tensor.
    """
    name, shape = tensor["name"], tensor["shape"]
    if not _whole(shape):
        raise RequestError(f"input {name!r}: shape {found(shape)}, expected [n, m]")
    values, m = _values(tensor, tail), [*shape, 1][1]
    return [values[row * m : row * m + m] for row in range(shape[0])]


def read_arrays(tensor: Mapping[str, Any], tail: Tail, sizes: Sequence[int]) -> list[Any]:
    """The arrays [n, *sizes] of a tensor, each as nested lists.

    Raises RequestError naming the tensor.
    """
    name, shape = tensor["name"], tensor["shape"]
    if not isinstance(shape, list) or shape[1:] != list(sizes) or not _whole(shape[:1]):
        wanted = ", ".join(map(str, ["n", *sizes]))
        raise RequestError(f"input {name!r}: shape {found(shape)}, expected [{wanted}]")
    return nested(_values(tensor, tail), shape)


def _whole(shape: Any) -> bool:
    """Whether it is one of rows, or of rows and columns."""
    whole = isinstance(shape, list) and all(type(size) is int and size >= 0 for size in shape)
    return whole and len(shape) in (1, 2)


def _values(tensor: Mapping[str, Any], tail: Tail) -> list[Any]:
    name, shape = tensor["name"], tensor["shape"]
    parameters = tensor.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise RequestError(f"input {name!r}: parameters: expected an object")
    if "binary_data_size" in parameters:
        if tensor.get("data") is not None:
            raise RequestError(f"input {name!r}: either data or binary_data_size, not both")
        values = from_bytes(
            name, tensor["datatype"], tail.take(name, parameters["binary_data_size"])
        )
    else:
        values = _listed(name, tensor.get("data"), shape)
    if len(values) != math.prod(shape):
        raise RequestError(f"input {name!r}: shape {shape} but {len(values)} values")
    return values


def _listed(name: str, given: Any, shape: list[int]) -> list[Any]:
    """Data may be flat, or nested as its shape says."""
    if not isinstance(given, list):
        raise RequestError(f"input {name!r}: expected data, a list, or binary_data_size")
    data: list[Any] = given
    if not any(isinstance(value, list) for value in data):
        return data
    for size in shape[1:]:
        if not all(isinstance(value, list) and len(value) == size for value in data):
            raise RequestError(f"input {name!r}: data is not nested as its shape says")
        data = list(chain.from_iterable(data))
    if any(isinstance(value, list) for value in data):
        raise RequestError(f"input {name!r}: data is not nested as its shape says")
    return data


def from_bytes(name: str, datatype: str, data: bytes) -> list[Any]:
    """The values in a binary tensor. Raises RequestError naming the tensor."""
    if datatype == "BYTES":
        return _texts(name, data)
    if datatype == "BOOL":
        if data.strip(b"\0\1"):
            raise RequestError(f"input {name!r}: a BOOL is one byte, 0 or 1")
        return [byte == 1 for byte in data]
    dtype = np.dtype(_DTYPES[datatype])
    if len(data) % dtype.itemsize:
        size = dtype.itemsize
        raise RequestError(f"input {name!r}: {len(data)} bytes, {datatype} has {size} a value")
    values: list[Any] = np.frombuffer(data, dtype).tolist()
    return values


def _texts(name: str, data: bytes) -> list[str]:
    texts: list[str] = []
    at, size = 0, len(data)
    try:
        while at < size:
            start = at + _LENGTH.size
            at = start + _LENGTH.unpack_from(data, at)[0]
            if at > size:
                raise RequestError(f"input {name!r}: element {len(texts)} is longer than its data")
            texts.append(data[start:at].decode())
    except UnicodeDecodeError:
        raise RequestError(f"input {name!r}: element {len(texts)} is not UTF-8") from None
    except struct.error:
        raise RequestError(f"input {name!r}: element {len(texts)} has no length") from None
    return texts


def to_bytes(datatype: str, values: Sequence[Any]) -> bytes:
    """The bytes of a tensor's values."""
    if datatype == "BYTES":
        texts = [str(value).encode() for value in values]
        return b"".join(_LENGTH.pack(len(text)) + text for text in texts)
    return np.array(values, "?" if datatype == "BOOL" else _DTYPES[datatype]).tobytes()
