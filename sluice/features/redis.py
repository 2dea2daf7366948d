"""Online features in Redis: `redis://user:password@host:port/db`, or rediss for TLS.

A shelf (see shelves.py) is a sorted set whose members all have the score 0, so that they sort as
bytes: the place, in which a zero byte is written as 0 1, then 0 0, then the value. All sets of a
graph have its hash tag, `sluice:{project/graph}:`, and so are in one slot.

A look-up of any number of keys is one script: one round trip, and nothing is written meanwhile. A
transaction is WATCH, MULTI and EXEC.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from sluice.address import Address, Option, read_address
from sluice.errors import SluiceError, StoreUnavailable
from sluice.features.remote import RemoteStore
from sluice.features.shelves import ALL, Head, Item, Range, Writes, decode_head, encode_head

OPTIONS: Mapping[str, Option] = {"timeout": 0.5, "write_timeout": 10.0}
_SEEK = """
local found = {}
for i, key in ipairs(KEYS) do
    found[i] = redis.call('ZRANGEBYLEX', key, ARGV[i], '+', 'LIMIT', 0, 1)[1] or false
end
return found
"""
_END, _PAST = b"\0\0", b"\0\1"  # of a place, and after all values of it
_AT_ONCE = 1000  # members of one command
# What passes, beside lost connections.
_PASSING = (
    redis.exceptions.ReadOnlyError,
    redis.exceptions.OutOfMemoryError,
    redis.exceptions.TryAgainError,
    redis.exceptions.ClusterDownError,
)


def open_redis(url: str, prefix: tuple[str, str]) -> RemoteStore:
    """The store of a graph at a URL, without connecting to it. Raises DeclarationError.

    Options: `timeout`, seconds to connect and until what is read is answered (0.5), and
    `write_timeout`, the same for what is written (10).
    """
    return RemoteStore(RedisShelves(read_address(url, "feature store", OPTIONS), prefix), prefix)


class RedisShelves:
    """The shelves of a graph in Redis."""

    def __init__(self, address: Address, prefix: tuple[str, str]) -> None:
        if (
            not address.host
            or len(address.names) > 1
            or not "".join(address.names or "0").isdigit()
        ):
            raise address.error("is no address of Redis", "redis://host:port/number")
        self._address = address
        self._tag = f"sluice:{{{'/'.join(quote(name, safe='') for name in prefix)}}}:".encode()
        self._head = self._tag + b"head"
        self._reader: Any = _client(address, address.options["timeout"])
        self._writer: Any = _client(address, address.options["write_timeout"])
        self._script = self._reader.register_script(_SEEK)
        self._checked = False

    def __str__(self) -> str:
        return str(self._address)

    def head(self) -> Head:
        """See Shelves."""
        with self._errors():
            if not self._checked:
                self._refuse_eviction()
            return decode_head(self._reader.get(self._head), self)

    def seek(self, asked: Sequence[tuple[bytes, bytes]]) -> list[bytes | None]:
        """See Shelves."""
        tag = self._tag
        keys = [tag + shelf for shelf, _ in asked]
        places = [b"[" + at.replace(b"\0", _PAST) for _, at in asked]
        with self._errors():
            found: list[bytes | None] = self._script(keys, places)
        return [None if member is None else member.partition(_END)[2] for member in found]

    def ranges(self, asked: Sequence[Range]) -> list[list[Item]]:
        """See Shelves. All ranges are of one moment."""
        with self._errors(), self._reader.pipeline(transaction=len(asked) > 1) as pipe:
            for shelf, first, end, limit in asked:
                last = b"+" if end is None else b"(" + end.replace(b"\0", _PAST)
                least = b"[" + first.replace(b"\0", _PAST)
                count = -1 if limit >= ALL else limit
                pipe.zrangebylex(self._tag + shelf, least, last, 0, count)
            return [list(map(_item, members)) for members in pipe.execute()]

    def commit(self, head: Head, new: Head, writes: Writes) -> bool:
        """See Shelves."""
        with self._errors(), self._writer.pipeline() as pipe:
            try:
                pipe.watch(self._head)
                if decode_head(pipe.get(self._head), self) != head:
                    return False
                pipe.multi()
                for shelf, items in writes.items():
                    _write(pipe, self._tag + shelf, items)
                pipe.set(self._head, encode_head(new))
                pipe.execute()
            except redis.WatchError:  # also when the connection is lost
                return False
        return True

    def close(self) -> None:
        """See Shelves."""
        self._reader.close()
        self._writer.close()

    def _refuse_eviction(self) -> None:
        """Raise DeclarationError if the server deletes keys of its own will when it is full."""
        try:
            memory = self._reader.info("memory")
        except redis.exceptions.NoPermissionError:
            memory = {}
        policy = str(memory.get("maxmemory_policy", ""))
        if policy.startswith("allkeys") and memory.get("maxmemory", 0) > 0:
            problem = f"deletes features when its memory is full (maxmemory-policy {policy})"
            raise self._address.error(problem, "set maxmemory-policy noeviction")
        self._checked = True

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except redis.exceptions.MovedError as error:
            hint = "give the address of a server or a proxy that has all slots"
            raise self._address.error("is a part of a cluster", hint) from error
        except (redis.ConnectionError, redis.TimeoutError, *_PASSING) as error:
            raise StoreUnavailable(f"{self}: {_text(error)}") from error
        except redis.RedisError as error:
            raise SluiceError(f"{self}: {_text(error)}") from error


def _client(address: Address, timeout: float) -> redis.Redis:
    return redis.Redis(
        host=address.host,
        port=address.port or 6379,
        db=int("".join(address.names) or 0),
        username=address.user or None,
        password=address.password,
        ssl=address.scheme == "rediss",
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        # A connection that the server closed while it idled is not an error; waiting twice is.
        retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
    )


def _write(pipe: Any, key: bytes, items: Mapping[bytes, bytes | None]) -> None:
    members = []
    for at, value in items.items():
        place = at.replace(b"\0", _PAST)
        pipe.zremrangebylex(key, b"[" + place + _END, b"(" + place + _PAST)
        if value is not None:
            members.append(place + _END + value)
    for first in range(0, len(members), _AT_ONCE):
        pipe.zadd(key, dict.fromkeys(members[first : first + _AT_ONCE], 0))


def _item(member: bytes) -> Item:
    place, _, value = member.partition(_END)
    return Item(place.replace(_PAST, b"\0"), value)


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
