"""Tokens: which are good, which of them pass for another, and how keys rotate."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from jwt.warnings import InsecureKeyLengthWarning

from sluice.access.jwks import KeySet, fetcher, parse
from sluice.access.tokens import Tokens, Wanted
from sluice.errors import Forbidden, StoreUnavailable, Unauthorized
from tests.access.issuer import (
    AUDIENCE,
    ISSUER,
    NOW,
    Issuer,
    by_hand,
    ec_key,
    ed_key,
    jwk,
    rsa_key,
    token,
)


class Clock:
    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Guard:
    """Tokens with an issuer and clocks of their own."""

    def __init__(self, issuer: Issuer | None = None, **wanted: Any) -> None:
        self.issuer, self.time, self.clock = issuer or Issuer(), Clock(), Clock(NOW)
        self.keys = KeySet(self.issuer.fetch, clock=self.time, start=lambda look: look())
        self.tokens = Tokens(self.keys, Wanted(ISSUER, AUDIENCE, **wanted), clock=self.clock)

    def check(self, token: str) -> None:
        self.tokens.check(token)

    def refuses(self, token: str, why: str = "is not accepted") -> None:
        for _ in range(2):  # the second time it may have been seen
            with pytest.raises(Unauthorized, match=why) as error:
                self.check(token)
            assert token not in str(error.value)


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (rsa_key("one"), "RS256"), (rsa_key("one"), "PS384"), (ec_key("one"), "ES256"),
        (ed_key("one"), "EdDSA"),
    ],
)  # fmt: skip
def test_good_tokens(key: Any, algorithm: str) -> None:
    guard = Guard(Issuer(jwk(key, "one")), algorithms=[algorithm])
    good = token(key, algorithm=algorithm)
    for _ in range(3):
        guard.check(good)
    assert guard.issuer.fetched == 1
    guard.check(token(key, algorithm=algorithm, aud=["other", AUDIENCE]))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"exp": NOW - 31}, "has expired"),
        ({"nbf": NOW + 31}, "not good yet"),
        ({"exp": None}, "no claim exp"),
        ({"aud": None}, "no claim aud"),
        ({"iss": None}, "no claim iss"),
        ({"aud": "other"}, "another audience"),
        ({"iss": "https://issuer.example.com"}, "another issuer"),
        ({"exp": "soon"}, "is not accepted"),
        ({"exp": [1]}, "is not accepted"),
    ],
)
def test_claims_that_do_not_fit(changes: dict[str, Any], why: str) -> None:
    Guard().refuses(token(**changes), why)


def test_clocks_may_differ_by_the_leeway() -> None:
    guard = Guard()
    good = token(exp=NOW + 10, nbf=NOW + 29)
    guard.check(good)
    guard.clock.now = NOW + 39
    guard.check(good)
    guard.clock.now = NOW + 40
    guard.refuses(good, "has expired")


def test_tokens_that_pass_for_another() -> None:
    guard = Guard()
    public = rsa_key("one").public_key()
    pem = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    head = {"typ": "JWT", "kid": "one"}
    guard.refuses(by_hand({**head, "alg": "none"}))
    guard.refuses(by_hand({**head, "alg": "HS256"}, pem))
    guard.refuses(token(rsa_key("two")))
    guard.refuses(token(algorithm="PS256"))  # not among those that are allowed
    good = token()
    head_, body, signature = good.split(".")
    guard.refuses(".".join([head_, body, signature[:-8] + "AAAAAAAA"]))
    guard.refuses(".".join([head_, token(sub="root").split(".")[1], signature]))
    for text in ("..", "a.b.c", f"{good}x.y", "ü.ü.ü"):
        guard.refuses(text)


def test_a_key_is_for_its_algorithm() -> None:
    key = jwk(rsa_key("one"), "one", alg="RS256")
    guard = Guard(Issuer(key), algorithms=["RS256", "PS256"])
    guard.check(token())
    guard.refuses(token(algorithm="PS256"))
    short = rsa_key("short", 1024)
    with pytest.warns(InsecureKeyLengthWarning):
        made = token(short)
    Guard(Issuer(jwk(short, "one"))).refuses(made)


def test_keys_that_are_not_for_signing_are_left_out() -> None:
    secret = {"kty": "oct", "k": "c2VjcmV0", "kid": "secret"}
    other = jwk(rsa_key("one"), "enc", use="enc")
    document = Issuer(secret, other, jwk(ec_key("one"), "sig", use="sig")).fetch()
    assert list(parse(document)) == ["sig"]


def test_a_token_without_a_key_id_needs_a_set_of_one() -> None:
    Guard().check(token(id=None))
    two = Issuer(jwk(rsa_key("one"), "one"), jwk(rsa_key("two"), "two"))
    Guard(two).refuses(token(id=None))


@pytest.mark.parametrize("scope", ["a flights b", ["a", "flights"]])
def test_a_scope(scope: Any) -> None:
    guard = Guard(scope="flights")
    guard.check(token(scope=scope))
    guard.check(token(scp=scope))
    for lacking in (token(), token(scope="flights2 flight")):
        for _ in range(2):
            with pytest.raises(Forbidden, match="lacks the scope flights"):
                guard.check(lacking)


def test_keys_rotate() -> None:
    guard = Guard()
    old, new = token(), token(rsa_key("two"), "two")
    guard.check(old)
    guard.issuer.keys.append(jwk(rsa_key("two"), "two"))
    guard.refuses(new)  # so soon it is not looked again
    assert guard.issuer.fetched == 1
    guard.time.now = 11
    guard.check(new)
    assert guard.issuer.fetched == 2
    del guard.issuer.keys[0]
    guard.check(old)
    guard.time.now = 312  # then the set is looked after by itself
    guard.tokens.check(new)
    guard.refuses(old)


def test_tokens_with_unknown_keys_make_few_looks() -> None:
    guard = Guard()
    for second in range(100):
        guard.time.now = second
        guard.refuses(token(rsa_key("two"), f"key-{second}"))
    assert guard.issuer.fetched <= 11


def test_an_issuer_that_is_down(caplog: pytest.LogCaptureFixture) -> None:
    issuer = Issuer()
    issuer.down = True
    guard = Guard(issuer)
    for _ in range(5):
        with pytest.raises(StoreUnavailable):
            guard.check(token())
    assert issuer.fetched == 1
    assert "can't be had: no route" in caplog.text
    issuer.down, guard.time.now = False, 10
    guard.check(token())
    issuer.down = True
    guard.time.now = 5000
    guard.check(token())
    guard.time.now = 10 + 86_400  # a day later the keys that we have are too old
    with pytest.raises(StoreUnavailable):
        guard.check(token())


@pytest.mark.parametrize("document", [b"", b"[]", b'{"keys": 1}', b"<html>"])
def test_what_is_no_key_set(document: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(document)


@pytest.fixture
def site() -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = Issuer().fetch() if self.path == "/jwks" else b"x" * (1 << 20) + b"x"
            self.send_response(302 if self.path == "/moved" else 200)
            self.send_header("Location", "/jwks")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_fetching(site: str) -> None:
    assert list(parse(fetcher(f"{site}/jwks")())) == ["one"]
    with pytest.raises(OSError, match="302"):
        fetcher(f"{site}/moved")()
    with pytest.raises(ValueError, match="larger than"):
        fetcher(f"{site}/large")()
