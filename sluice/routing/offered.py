"""What a shadow is handed: rows that were answered, and the tensors that they came from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from sluice.live import Live
from sluice.message import Message

if TYPE_CHECKING:
    from sluice.batch.block import Block

Array = npt.NDArray[Any]
Shadows = tuple[tuple[str, str], ...]  # a version's number, and its transform's digest
Tensors = Mapping[str, Mapping[str, Array]]  # by transform digest
Asked = tuple[Shadows, Tensors]
Packed = tuple[str, tuple[int, ...], bytes | list[Any]]  # numpy's type code, shape, values
_AT_ONCE = 1000  # rows of a table


class Offered(msgspec.Struct, frozen=True, array_like=True):
    """Rows that were answered. Lists have an entry per row, in the order of the tensors' rows.

    Attributes:
        shadows: who answers too.
        tensors: by transform digest, named arrays [rows, …].
        places: the request's id and the record's place in it ("id/0").
        times: the request's, seconds since 1970.
        versions: who answered; empty: nobody did, and there is nothing to compare.
        scores: what was answered [k].
    """

    shadows: Shadows
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
decode = msgspec.msgpack.Decoder(list[Offered]).decode


def unpack(packed: Packed) -> Array:
    """The array of what `Offered.tensors` holds."""
    code, shape, values = packed
    if isinstance(values, bytes):
        return np.frombuffer(values, code).reshape(shape)
    array = np.empty(len(values), object)
    array[:] = values
    return array.reshape(shape)


class Answered(NamedTuple):
    """Rows that were answered, as the request left them: it pays for no more than this.

    Attributes:
        rows: how many.
        offers: makes what is handed over; for another thread.
    """

    rows: int
    offers: Callable[[], Iterable[Offered]]


def of_message(message: Message) -> Answered:
    """An answered message, for `message.shadows`.

    It keeps nothing else of the message: what lives on while others come and go costs them the
    collector's time, and the processor's cache.
    """
    asked, when = _asked(message.live, message.shadows, message.tensors), message.times()
    times = [when[record] for record in message.rows]
    versions = [choice.version for choice in message.route]
    rows = partial(_offer_message, asked, message.places(), times, versions, message.scores)
    return Answered(len(times), rows)


def of_table(block: Block) -> Answered:
    """An answered table, for `block.shadows`."""
    asked = _asked(block.live, block.shadows, block.tensors)
    rows = sum(len(there) for there, _ in block.scores.values())
    return Answered(rows, partial(_offer_table, asked, block))


def _asked(live: Live, numbers: Iterable[str], tensors: Tensors) -> Asked:
    """Who is asked, and what."""
    shadows = tuple([(number, live.versions[number].digest) for number in numbers])
    return shadows, {digest: tensors[digest] for _, digest in shadows}  # lazy ones: now


def _offer_message(
    asked: Asked,
    places: list[str],
    times: list[float],
    versions: list[str],
    scores: Sequence[Array],
) -> Iterator[Offered]:
    answers = [score.tolist() for score in scores]
    yield Offered(asked[0], _pack(asked[1], slice(None)), places, times, versions, answers)


def _offer_table(asked: Asked, block: Block) -> Iterator[Offered]:
    places, times = block.names(), block.when[block.places].tolist()
    versions, answers = [""] * len(places), [[]] * len(places)  # type: list[str], list[list[float]]
    for number, (there, scores) in block.scores.items():
        for row, score in zip(there.tolist(), scores.tolist(), strict=True):
            versions[row], answers[row] = number, score
    for start in range(0, len(places), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        parts = places[part], times[part], versions[part], answers[part]
        yield Offered(asked[0], _pack(asked[1], part), *parts)


def _pack(tensors: Tensors, rows: slice) -> dict[str, dict[str, Packed]]:
    return {d: {n: _packed(t[rows]) for n, t in named.items()} for d, named in tensors.items()}


def _packed(tensor: Array) -> Packed:
    code = tensor.dtype.char
    return code, tensor.shape, tensor.ravel().tolist() if code == "O" else tensor.tobytes()
