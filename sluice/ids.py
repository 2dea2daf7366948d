"""Random ids, drawn many at a time: a system call for each would cost more than all the rest."""

from __future__ import annotations

import os
from collections import deque

_AT_ONCE = 256
_ids: deque[str] = deque()


def new_id() -> str:
    """32 random hexadecimal digits that nobody can guess."""
    try:
        return _ids.pop()
    except IndexError:
        digits = os.urandom(16 * _AT_ONCE).hex()
        _ids.extend(digits[at : at + 32] for at in range(32, len(digits), 32))
        return digits[:32]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_ids.clear)  # they are the parent's
