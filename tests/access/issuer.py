"""An issuer of tokens for tests: its keys, its key set, and tokens good and bad."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

NOW = 1_700_000_000.0
ISSUER, AUDIENCE = "https://issuer.example.com/", "sluice"


@cache
def rsa_key(name: str, bits: int = 2048) -> Any:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@cache
def ec_key(name: str) -> Any:
    return ec.generate_private_key(ec.SECP256R1())


@cache
def ed_key(name: str) -> Any:
    return ed25519.Ed25519PrivateKey.generate()


def jwk(key: Any, id: str, **more: Any) -> dict[str, Any]:
    public = key.public_key()
    if isinstance(key, rsa.RSAPrivateKey):
        made = jwt.algorithms.RSAAlgorithm.to_jwk(public, as_dict=True)
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        made = jwt.algorithms.ECAlgorithm.to_jwk(public, as_dict=True)
    else:
        made = jwt.algorithms.OKPAlgorithm.to_jwk(public, as_dict=True)
    return {**made, "kid": id, **more}


def claims(**changes: Any) -> dict[str, Any]:
    base = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "exp": NOW + 600, "iat": NOW}
    return {k: v for k, v in {**base, **changes}.items() if v is not None}


def token(key: Any = None, id: str | None = "one", algorithm: str = "RS256", **changes: Any) -> str:
    headers = {"kid": id} if id is not None else {}
    key = rsa_key("one") if key is None else key
    return jwt.encode(claims(**changes), key, algorithm, headers)


def by_hand(header: dict[str, Any], secret: bytes | None = None) -> str:
    """A token that no library makes: unsigned, or signed with a public key as if it were secret."""
    parts = [json.dumps(part).encode() for part in (header, claims())]
    text = ".".join(_encoded(part) for part in parts)
    signature = hmac.new(secret, text.encode(), hashlib.sha256).digest() if secret else b""
    return f"{text}.{_encoded(signature)}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """A key set, and how often it was fetched. It can be down."""

    def __init__(self, *keys: dict[str, Any]) -> None:
        self.keys = list(keys) or [jwk(rsa_key("one"), "one")]
        self.fetched, self.down = 0, False

    def fetch(self) -> bytes:
        self.fetched += 1
        if self.down:
            raise OSError("no route")
        return json.dumps({"keys": self.keys}).encode()
