"""What a shadow is handed: rows that were answered, as bytes, and the tensors they came from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import numpy.typing as npt

from sluice.live import Live
from sluice.message import Message

if TYPE_CHECKING:
    from sluice.batch.block import Block

Array = npt.NDArray[Any]
Packed = tuple[str, tuple[int, ...], bytes | list[Any]]  # numpy's type code, shape, values
_AT_ONCE = 1000  # rows of a table


class Offered(msgspec.Struct, frozen=True, array_like=True):
    """Rows that were answered. Lists have an entry per row, in the order of the tensors' rows.

    Attributes:
        shadows: who answers too: each version's number, and its transform's digest.
        tensors: by transform digest, named arrays [rows, …].
        places: the request's id and the record's place in it ("id/0").
        times: the request's, seconds since 1970.
        versions: who answered; empty: nobody did, and there is nothing to compare.
        scores: what was answered [k].
    """

    shadows: tuple[tuple[str, str], ...]
    tensors: dict[str, dict[str, Packed]]
    places: list[str]
    times: list[float]
    versions: list[str]
    scores: list[Any]

    @property
    def answered(self) -> int:
        """How many rows were answered."""
        return len(self.versions) - self.versions.count("")


encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Offered).decode


def unpack(packed: Packed) -> Array:
    """The array of what `Offered.tensors` holds."""
    code, shape, values = packed
    if isinstance(values, bytes):
        return np.frombuffer(values, code).reshape(shape)
    array = np.empty(len(values), object)
    array[:] = values
    return array.reshape(shape)


def of_message(message: Message) -> Offered:
    """An answered message, for `message.shadows`."""
    times = message.times()
    return Offered(
        *_asked(message.live, message.shadows, message.tensors),
        message.places(),
        [times[record] for record in message.rows],
        [choice.version for choice in message.route],
        [score.tolist() for score in message.scores],
    )


def of_table(block: Block) -> Iterator[Offered]:
    """An answered table, in parts, for `block.shadows`."""
    places, times = block.names(), block.when[block.places].tolist()
    versions, answers = [""] * len(places), [[]] * len(places)  # type: list[str], list[list[float]]
    for number, (there, scores) in block.scores.items():
        for row, score in zip(there.tolist(), scores.tolist(), strict=True):
            versions[row], answers[row] = number, score
    for start in range(0, len(places), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        asked = _asked(block.live, block.shadows, block.tensors, part)
        yield Offered(*asked, places[part], times[part], versions[part], answers[part])


def _asked(
    live: Live,
    numbers: Iterable[str],
    tensors: Mapping[str, Mapping[str, Array]],
    rows: slice | None = None,
) -> tuple[tuple[tuple[str, str], ...], dict[str, dict[str, Packed]]]:
    """Who is asked, and what."""
    shadows = tuple([(number, live.version(number).digest) for number in numbers])
    packed = {
        digest: {name: _pack(t if rows is None else t[rows]) for name, t in tensors[digest].items()}
        for _, digest in shadows
    }
    return shadows, packed


def _pack(tensor: Array) -> Packed:
    code = tensor.dtype.char
    return code, tensor.shape, tensor.ravel().tolist() if code == "O" else tensor.tobytes()
