"""A ledger in Redis: `redis://user:password@host:port/db`, or rediss for TLS.

Keys of a graph have one hash tag, `sluice:{project/graph/memory}:rewards:`, and so are in one slot:

    head            a hash: format, version, last
    buckets         a set of the buckets that have sums
    sums:<bucket>   a hash, by field
    marks:<bucket>  a set; it expires
    note:<name>     expires

A credit is one script, so it is there whole or not at all, and a second one like it does nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from sluice.address import Option, read_address
from sluice.errors import DeclarationError, SluiceError, StoreUnavailable
from sluice.routing.ledger import FORMAT, Credit, Head, Prefix

OPTIONS: Mapping[str, Option] = {"timeout": 2.0}
# KEYS: head, buckets, sums, marks. ARGV: bucket, now, seconds, how many marks, marks, fields and
# amounts. HINCRBY refuses what 64 bits do not hold before it changes anything; the amounts of one
# credit are far from it.
_CREDIT = """
local n = tonumber(ARGV[4])
local marks = {unpack(ARGV, 5, 4 + n)}
local known = {}
for i, there in ipairs(redis.call('SMISMEMBER', KEYS[4], unpack(marks))) do
    if there == 1 then known[#known + 1] = marks[i] end
end
if #known > 0 then return known end
redis.call('SADD', KEYS[4], unpack(marks))
redis.call('EXPIRE', KEYS[4], ARGV[3])
for i = 5 + n, #ARGV, 2 do redis.call('HINCRBY', KEYS[3], ARGV[i], ARGV[i + 1]) end
redis.call('SADD', KEYS[2], ARGV[1])
redis.call('HINCRBY', KEYS[1], 'version', 1)
local last = redis.call('HGET', KEYS[1], 'last')
if not last or tonumber(last) < tonumber(ARGV[2]) then
    redis.call('HSET', KEYS[1], 'last', ARGV[2])
end
return {}
"""
_PASSING = (
    redis.ConnectionError,
    redis.TimeoutError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.OutOfMemoryError,
    redis.exceptions.TryAgainError,
    redis.exceptions.ClusterDownError,
)


class RedisLedger:
    """A ledger in Redis; see Ledger. `timeout`: seconds to connect, and until it answers."""

    most = 1000

    def __init__(self, url: str, prefix: Prefix) -> None:
        address = self._address = read_address(url, "rewards", OPTIONS)
        number = "".join(address.names) or "0"
        if not address.host or len(address.names) > 1 or not number.isdigit():
            raise address.error("is no address of Redis", "redis://host:port/number")
        self._tag = f"sluice:{{{'/'.join(quote(n, safe='') for n in prefix)}}}:rewards:"
        timeout = address.options["timeout"]
        self._client: Any = redis.Redis(
            host=address.host,
            port=address.port or 6379,
            db=int(number),
            username=address.user,
            password=address.password,
            ssl=address.scheme == "rediss",
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
        )
        self._script = self._client.register_script(_CREDIT)

    def __str__(self) -> str:
        return str(self._address)

    def head(self, now: float) -> Head:
        """See Ledger."""
        with self._errors(), self._client.pipeline() as pipe:
            head = self._tag + "head"
            pipe.hsetnx(head, "format", FORMAT)
            pipe.hsetnx(head, "last", repr(now))
            pipe.hmget(head, "format", "version", "last")
            *_, (found, version, last) = pipe.execute()
        if int(found) > FORMAT:
            hint = f"this Sluice reads up to {FORMAT}: use a newer one"
            raise DeclarationError("rewards", str(self), f"is of format {int(found)}", hint)
        return Head(int(version or 0), float(last))

    def sums(self) -> dict[int, dict[str, int]]:
        """See Ledger."""
        with self._errors(), self._client.pipeline() as pipe:
            buckets = sorted(map(int, self._client.smembers(self._tag + "buckets")))
            for bucket in buckets:
                pipe.hgetall(f"{self._tag}sums:{bucket}")
            found = zip(buckets, pipe.execute(), strict=True)
            return {b: {f.decode(): int(s) for f, s in sums.items()} for b, sums in found if sums}

    def credit(self, credit: Credit, keep_s: float, now: float) -> Sequence[str]:
        """See Ledger."""
        bucket = credit.bucket
        keys = [self._tag + n for n in ("head", "buckets", f"sums:{bucket}", f"marks:{bucket}")]
        arguments: list[Any] = [bucket, repr(now), math.ceil(keep_s), len(credit.marks)]
        arguments += credit.marks
        for field, amount in credit.sums.items():
            arguments += (field, amount)
        with self._errors():
            return [mark.decode() for mark in self._script(keys, arguments)]

    def keep(self, notes: Mapping[str, bytes], keep_s: float, now: float) -> None:
        """See Ledger."""
        with self._errors(), self._client.pipeline(transaction=False) as pipe:
            for name, note in notes.items():
                pipe.set(f"{self._tag}note:{name}", note, ex=math.ceil(keep_s))
            pipe.execute()

    def notes(self, names: Sequence[str]) -> list[bytes | None]:
        """See Ledger."""
        if not names:
            return []
        with self._errors():
            found: list[bytes | None] = self._client.mget([f"{self._tag}note:{n}" for n in names])
            return found

    def forget(self, before: int, now: float) -> None:
        """See Ledger. Marks and notes expire by themselves."""
        with self._errors(), self._client.pipeline() as pipe:
            for bucket in map(int, self._client.smembers(self._tag + "buckets")):
                if bucket < before:
                    pipe.delete(f"{self._tag}sums:{bucket}")
                    pipe.srem(self._tag + "buckets", bucket)
            pipe.execute()

    def close(self) -> None:
        """See Ledger."""
        self._client.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except _PASSING as error:
            raise StoreUnavailable(f"{self}: {type(error).__name__}: {error}") from error
        except redis.RedisError as error:
            raise SluiceError(f"{self}: {type(error).__name__}: {error}") from error
