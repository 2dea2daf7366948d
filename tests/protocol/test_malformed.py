"""Bodies that no client should send: whatever comes, the answer is never a 500, and it is JSON.

MALFORMED says how many are tried, 10,000 by default.
"""

from __future__ import annotations

import json
import logging
import os
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from sluice.protocol.feedback import Feedback
from sluice.protocol.surface import Surface
from tests.protocol.events import Decoded, raw
from tests.protocol.test_feedback import Kept
from tests.protocol.test_surface import tensors
from tests.tiny import ORDER, Tiny

COUNT = int(os.environ.get("MALFORMED", "10000"))
INFER = "/v2/models/binary/infer"
PATHS = ("/", INFER, "/v2/models/binary/versions/2/infer", "/feedback")
HEADER = "Inference-Header-Content-Length"
ENTRY = {"id": "a", "label": 1, "reward": 0.5, "record": 0, "when": "2024-01-04T12:30:00Z"}
GOOD: tuple[Any, ...] = (
    ORDER,
    [ORDER, ORDER],
    {"inputs": [ORDER, list(ORDER.values())], "id": "x"},
    {"inputs": tensors(), "id": "y", "outputs": [{"name": "label"}]},
    ENTRY,
    [ENTRY, ENTRY],
)
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 10**18, 10**30, -(10**400), 1e308, -0.0, float("nan"), float("inf"),
    "", " ", "\x00", "\ud800", "é" * 300, "a" * 5000, [], {}, [[]], [None], {"": None},
    {"name": "city"}, {"\ud800": "\ud800"}, "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59", "2024-02-30T00:00:00Z", "2024-01-01", "INT64", [-1], [1, 1],
    {"binary_data_size": 10**9}, {"binary_data": "yes"}, {"binary_data_output": True},
)  # fmt: skip
DEEP = [b"[" * n + b"]" * n for n in (10, 500, 1023, 1024, 100_000)]
DEEP += [b'{"a":' * n + b"1" + b"}" * n for n in (10, 500, 1023, 100_000)]
BYTES: tuple[bytes, ...] = (
    b"", b" ", b"\xff\xfe{}", b"\xef\xbb\xbf{}", b"{", b'{"a":1,"a":2}', b"nan", b"[1,]", b'"',
    b"\x00" * 100, b'{"city": "\xc3\x28"}', b'{"city": "\\ud800"}', b'{"amount": 1e999}',
    b'{"amount": ' + b"9" * 5000 + b"}", b"<xml/>", b"a=b&c=d", *DEEP,
)  # fmt: skip


@pytest.fixture(scope="module")
def surface(tiny: Tiny) -> Iterator[Surface]:
    with tiny.service("binary") as service:
        yield Surface(service, 50, Feedback(Kept, "shop.binary.feedback", "/shop/binary"))


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "sluice")


def check(surface: Surface, event: Any) -> None:
    answer = surface.answer(event)
    assert answer.status in (200, 202, 400, 404, 413, 422), (answer, event)
    start = answer.headers.get(HEADER)
    body = json.loads(answer.body if start is None else answer.body[: int(start)])
    assert ("error" in body) == (answer.status >= 400)


def mutated(value: Any, chance: random.Random) -> Any:
    """The value with something odd somewhere in it, and now and then a part left out or doubled."""
    if chance.random() < 0.2 or not isinstance(value, (dict, list)) or not value:
        return chance.choice(ODD)
    if isinstance(value, list):
        place = chance.randrange(len(value))
        part = [] if chance.random() < 0.1 else [mutated(value[place], chance)]
        return [*value[:place], *part, *value[place + (chance.random() < 0.9) :]]
    name = chance.choice(list(value))
    if chance.random() < 0.1:
        return {n: v for n, v in value.items() if n != name}
    return {**value, name: mutated(value[name], chance)}


def torn(data: bytes, chance: random.Random) -> bytes:
    """The bytes with a few of them changed, or cut."""
    changed = bytearray(data)
    for _ in range(chance.randrange(4)):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed[: chance.choice((len(changed), chance.randrange(len(changed) + 1)))])


def event_of(chance: random.Random) -> Any:
    """An event of our host, or one whose body Nuclio has decoded."""
    path, good = chance.choice(PATHS), chance.choice(GOOD)
    body = mutated(good, chance) if chance.random() < 0.8 else good
    if chance.random() < 0.3:
        return Decoded(body, path)
    data = torn(json.dumps(body).encode(), chance) if chance.random() < 0.3 else None
    event = raw(body if data is None else data, path)
    if chance.random() < 0.3:
        length = chance.choice((len(event.raw), len(event.raw) // 2, -1, "x", 10**30, "²"))
        event.headers[HEADER] = str(length)
        event.raw += chance.randbytes(chance.randrange(40))
    return event


def test_malformed_bodies(surface: Surface) -> None:
    chance = random.Random(20130101)
    for _ in range(COUNT):
        check(surface, event_of(chance))


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("kind", ["application/json", "text/plain", "application/xml", ""])
def test_bytes_that_are_no_request(surface: Surface, path: str, kind: str) -> None:
    for data in BYTES:
        check(surface, raw(data, path, Content_Type=kind))


@pytest.mark.parametrize("path", PATHS)
def test_nested_as_deep_as_a_decoder_goes(surface: Surface, path: str) -> None:
    for depth in (10, 300, 5000):
        deep: Any = None
        for _ in range(depth):
            deep = {"a": [deep]}
        for good in GOOD:
            for body in (deep, placed(good, deep)):
                check(surface, Decoded(body, path))
        while deep:  # so that taking it apart does not recurse
            deep = deep["a"].pop()


def placed(good: Any, value: Any) -> Any:
    """A good body with `value` in the place of the first thing that is neither list nor object."""
    if isinstance(good, list):
        return [placed(good[0], value), *good[1:]]
    if isinstance(good, dict):
        name = next(iter(good))
        return {**good, name: placed(good[name], value)}
    return value


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
HEADERS = st.dictionaries(
    st.sampled_from(["X-Request-Id", HEADER, "Content-Type", "traceparent", "mlrun-event-path"]),
    st.text(st.characters(max_codepoint=255), max_size=20),
)
LOOK: Callable[..., Any] = settings(
    max_examples=max(50, COUNT // 50),
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@LOOK
@given(ANYTHING | st.binary(), st.sampled_from(PATHS), HEADERS)
def test_anything(surface: Surface, body: Any, path: str, headers: dict[str, str]) -> None:
    check(surface, Decoded(body, path, headers=headers))


@LOOK
@given(st.text(st.characters(max_codepoint=0x2FF), max_size=40))
def test_any_path(surface: Surface, path: str) -> None:
    for made in (
        path,
        "/" + path,
        f"/v2/models/{path}",
        f"/v2/models/binary/versions/{path}/infer",
    ):
        for method in ("POST", "GET", "DELETE", "BREW"):
            answer = surface.answer(raw(ORDER, made, method))
            assert answer.status in (200, 404, 405, 422, 400), made
            json.loads(answer.body)
