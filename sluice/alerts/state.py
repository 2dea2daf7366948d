"""What alerts keep: tracks, incidents and notices that wait, in one file.

A look is one transaction, that notes up to when was looked. So each moment is looked at once,
whoever is killed when; a notice is written in the same transaction, and taken away after it was
sent. Names in the file (numbers in big-endian bytes, that sort):

    "a"                              up to when was looked, and from when on there are windows
    "t" condition NUL subject NUL version   what is remembered of a subject: Track, msgpack
    "i" opened id                    an incident, msgpack
    "n" number                       a notice that waits, and to which channels it has to go
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from sluice.alerts.incident import Incident, Track
from sluice.alerts.notice import Notice
from sluice.environment import Kind
from sluice.windows.state import items

FORMAT = 1
KIND = Kind("alerts' state", b"format", b"sluice.alerts ", FORMAT, folder=False, map_size=1 << 26)
KEPT = 5000  # incidents
WAITING = 1000  # notices
_TIME = struct.Struct(">d")
_NUMBER = struct.Struct(">Q")
Place = tuple[str, str]  # subject, version


class Waiting(msgspec.Struct):
    """A notice that waits.

    Attributes:
        channels: where it has yet to go.
        since: when it was first tried, epoch s; None: it was not.
        held_until: until then (epoch s) one sender has it in hand, and others leave it.
    """

    notice: Notice
    channels: list[str]
    since: float | None = None
    held_until: float = 0.0


def state_file(folder: str, graph: str) -> Path:
    """Where the state of a graph's alerts is, in the folder of all monitors."""
    return Path(folder) / f"{graph}.alerts"


def looked(txn: Any) -> tuple[float, float]:
    """Up to when was looked, −∞ if never, and when the first window began."""
    found = txn.get(b"a")
    return msgspec.msgpack.decode(found, type=tuple[float, float]) if found else (-math.inf, 0.0)


def put_looked(txn: Any, until: float, first: float) -> None:
    """Note the same."""
    txn.put(b"a", msgspec.msgpack.encode((until, first)))


def tracks(txn: Any, condition: str) -> dict[Place, Track]:
    """A condition's, by subject and version."""
    found = {}
    for name, value in items(txn, b"t" + condition.encode() + b"\0"):
        _, subject, version = name[1:].decode().split("\0")
        found[subject, version] = msgspec.msgpack.decode(value, type=Track)
    return found


def conditions(txn: Any) -> set[str]:
    """The conditions that something is remembered of."""
    return {name[1:].split(b"\0")[0].decode() for name, _ in items(txn, b"t")}


def put_track(txn: Any, condition: str, place: Place, track: Track) -> None:
    """Remember a track, or forget one that has nothing to remember."""
    name = b"t" + "\0".join((condition, *place)).encode()
    if track.idle:
        txn.delete(name)
    else:
        txn.put(name, msgspec.msgpack.encode(track))


def put_incident(txn: Any, incident: Incident) -> None:
    """Keep an incident, and of all the latest."""
    name = b"i" + _TIME.pack(incident.opened) + incident.id.encode()
    new = txn.get(name) is None
    txn.put(name, msgspec.msgpack.encode(incident))
    if new:
        names = [old for old, _ in items(txn, b"i")]
        for old in names[: max(0, len(names) - KEPT)]:
            txn.delete(old)


def incidents(txn: Any, since: float = 0.0) -> list[Incident]:
    """Those that opened from a moment on (epoch s), oldest first."""
    found = items(txn, b"i", _TIME.pack(max(0.0, since)))
    return [msgspec.msgpack.decode(value, type=Incident) for _, value in found]


def put_notice(txn: Any, notice: Notice, channels: Sequence[str]) -> None:
    """Let a notice wait; where too many do, the oldest goes."""
    if not channels:
        return
    names = [name for name, _ in items(txn, b"n")]
    number = _NUMBER.unpack(names[-1][1:])[0] + 1 if names else 0
    for name in names[: max(0, len(names) + 1 - WAITING)]:
        txn.delete(name)
    value = msgspec.msgpack.encode(Waiting(notice, list(channels)))
    txn.put(b"n" + _NUMBER.pack(number), value)


def waiting(txn: Any) -> Iterator[tuple[bytes, Waiting]]:
    """The notices that wait, oldest first, by their names."""
    for name, value in items(txn, b"n"):
        yield name, msgspec.msgpack.decode(value, type=Waiting)


def hold(txn: Any, name: bytes, now: float, until: float) -> Waiting | None:
    """Take a notice in hand until a moment (epoch s); None where another sender has it."""
    found = txn.get(name)
    waits = None if found is None else msgspec.msgpack.decode(found, type=Waiting)
    if waits is None or waits.held_until > now:
        return None
    waits.since = now if waits.since is None else waits.since
    waits.held_until = until
    txn.put(name, msgspec.msgpack.encode(waits))
    return waits


def put_waiting(txn: Any, name: bytes, waits: Waiting) -> None:
    """Note where a notice has yet to go, out of hand; when it went everywhere, it is gone."""
    waits.held_until = 0.0
    if not waits.channels:
        txn.delete(name)
    elif txn.get(name) is not None:
        txn.put(name, msgspec.msgpack.encode(waits))
