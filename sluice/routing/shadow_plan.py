"""Which requests are shadowed, and by whom."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from sluice.declaration import Section
from sluice.live import Live

_TOP = 1 << 56


class ShadowPlan:
    """The `shadow` of a router's class_args.

    Args:
        declared: `versions`, a list of aliases, and `share`, of the requests that are shadowed: 0
            to 1, by their ids. Requests that share a message are shadowed together or not at all.

    An alias that is not live is no shadow; one that answers is asked again all the same.
    Raises DeclarationError.
    """

    def __init__(self, declared: Mapping[str, Any], where: str) -> None:
        section = Section(declared, "graph.yaml", f"{where}.shadow")
        self.versions = section.take("versions", list)
        self.share = section.take("share", float, 1.0)
        section.done()
        named = all(isinstance(name, str) and not name.isdigit() for name in self.versions)
        if not self.versions or not named or len(set(self.versions)) < len(self.versions):
            raise section.error("versions", f"expected different aliases, found {self.versions}")
        if not 0 < self.share <= 1:
            raise section.error("share", f"expected more than 0, and 1 at most: {self.share}")

    def shadows(self, id: str, live: Live) -> tuple[str, ...]:
        """The numbers of the versions that shadow a request."""
        if self.share < 1 and not _unit(id) < self.share:
            return ()
        numbers = [live.aliases[name] for name in self.versions if name in live.aliases]
        return tuple(dict.fromkeys(numbers))


def _unit(id: str) -> float:
    """A number from 0 to below 1, uniform over ids, the same everywhere."""
    digest = blake2b(f"shadow\0{id}".encode(), digest_size=7).digest()
    return int.from_bytes(digest, "big") / _TOP
