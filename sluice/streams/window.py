"""Which keys were forwarded lately: kept in the log's file, forgotten as time passes.

Of a key its digest is kept, with the time and for how long it counts; beside it, in the order of
the times when they are out, the digests of each transaction, so that those to forget are found.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from hashlib import blake2b

from sluice.streams.layout import Txn
from sluice.streams.stream import Message

_FORWARDED = struct.Struct(">dd")  # epoch s, s
_OUT = struct.Struct(">cQ")  # µs since the epoch
_SIZE = 16  # bytes of a digest: no two keys ever have the same
_KEY = 1 + _SIZE


class Window:
    """Removes duplicates of what was forwarded within so many seconds; 0: none."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def fresh(self, txn: Txn, topic: str, messages: Sequence[Message], now: float) -> list[Message]:
        """Those that were not forwarded to the topic lately, and one of those with one key.

        They are noted as forwarded now. At most twice as many others are forgotten, and the rest
        of a transaction's.
        """
        if not self._seconds or not messages:
            return list(messages)
        self._forget(txn, now, 2 * len(messages))
        digests = [_digest(topic, key) for _, key, _ in messages]
        known = _live(txn, [digest for digest in digests if digest], now)
        fresh, noted = [], []
        for digest, message in zip(digests, messages, strict=True):
            if digest is None:
                fresh.append(message)
            elif digest not in known:
                known.add(digest)
                noted.append(digest)
                fresh.append(message)
        self._note(txn, noted, now)
        return fresh

    def _note(self, txn: Txn, digests: list[bytes], now: float) -> None:
        if not digests:
            return
        forwarded = _FORWARDED.pack(now, self._seconds)
        txn.cursor().putmulti([(digest, forwarded) for digest in sorted(digests)])
        out = _OUT.pack(b"e", max(0, int((now + self._seconds) * 1e6)))
        txn.put(out + digests[0], b"".join(digests))

    def _forget(self, txn: Txn, now: float, budget: int) -> None:
        cursor = txn.cursor()
        while budget > 0 and cursor.set_range(b"e"):
            key, joined = cursor.item()
            if key[:1] != b"e" or _OUT.unpack_from(key)[1] > now * 1e6:
                break
            digests = [joined[at : at + _KEY] for at in range(0, len(joined), _KEY)]
            live = _live(txn, digests, now)  # those that were forwarded once more since
            for digest in digests:
                if digest not in live:
                    txn.delete(digest)
            txn.delete(key)
            budget -= len(digests)


def _digest(topic: str, key: str | None) -> bytes | None:
    if key is None:
        return None
    name = topic.encode()
    return b"d" + blake2b(b"%d %b%b" % (len(name), name, key.encode()), digest_size=_SIZE).digest()


def _live(txn: Txn, digests: list[bytes], now: float) -> set[bytes]:
    """Those that still count; none does when the clock was set back by more than its time."""
    found = txn.cursor().getmulti(digests)
    live = set()
    for digest, forwarded in found:
        when, seconds = _FORWARDED.unpack(forwarded)
        if abs(now - when) < seconds:
            live.add(digest)
    return live
