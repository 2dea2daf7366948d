"""The tensors of some rows, by transform digest: each is computed when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterable, KeysView, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sluice.live import Live

Made = dict[str, Any]  # tensors by name
Make = Callable[[str], tuple[Made, Any]]


class LazyTensors(dict[str, Made]):
    """Tensors by digest, for versions of several transforms: those that nobody asks cost nothing.

    To look one up computes it; whoever goes through all of them, as the codec does, has them all
    computed. One thread at a time may ask.

    Args:
        digests: of the transforms that there are.
        make: gives the tensors of a digest, and what of the rows it did not know.
        unknown: where the latter goes, by digest.
    """

    def __init__(self, digests: Iterable[str], make: Make, unknown: dict[str, Any]) -> None:
        super().__init__()
        self._digests, self._make, self._unknown = digests, make, unknown

    def __missing__(self, digest: str) -> Made:
        made, self._unknown[digest] = self._make(digest)
        self[digest] = made
        return made

    def keys(self) -> KeysView[str]:  # type: ignore[override]  # typeshed's is a private class
        self._complete()
        return super().keys()

    def items(self) -> ItemsView[str, Made]:  # type: ignore[override]
        self._complete()
        return super().items()

    def _complete(self) -> None:
        for digest in self._digests:
            self[digest]


def computed(
    tensors: Mapping[str, Mapping[str, Any]], live: Live, versions: Iterable[str]
) -> Mapping[str, Mapping[str, Any]]:
    """What these versions, by number, take: for other threads, which must not compute it."""
    if not isinstance(tensors, LazyTensors):
        return tensors
    return {digest: tensors[digest] for digest in {live.version(n).digest for n in versions}}
