"""JSON Web Tokens (RFC 7519), signed with keys of a set that is fetched.

Only public-key algorithms that are allowed by name; issuer, audience and expiry must be there and
fit. Needs PyJWT with cryptography (the extra `auth`), loaded only where tokens are taken.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple

import jwt

from sluice.access.jwks import KeySet
from sluice.errors import Forbidden, Unauthorized

ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
)  # fmt: skip
_KEPT = 4096  # tokens whose signature need not be looked at again


@dataclass(frozen=True)
class Wanted:
    """What a token must say: who made it, for whom, how it is signed, and a scope if one is named.

    `leeway_s` is by how much clocks may differ.
    """

    issuer: str
    audience: str
    algorithms: Sequence[str] = ("RS256", "ES256")
    scope: str = ""
    leeway_s: float = 30.0


class _Seen(NamedTuple):
    """What is remembered of a token whose signature was good."""

    starts: float
    ends: float
    allowed: bool


class Tokens:
    """Checks tokens; one that was good before costs a sum and a look at the clock.

    Args:
        keys: of who issues them.
        wanted: what they must say.
        clock: seconds since 1970.
    """

    def __init__(
        self, keys: KeySet, wanted: Wanted, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._keys, self._wanted, self._clock = keys, wanted, clock
        self._seen: dict[bytes, _Seen] = {}
        self._seen_by: object = None

    def check(self, token: str) -> None:
        """Raise Unauthorized for a token that is not good, Forbidden for one without the scope.

        Raises StoreUnavailable while the key set can't be had.
        """
        keys = self._keys.current()
        if keys is not self._seen_by:  # a key may have been withdrawn
            self._seen, self._seen_by = {}, keys
        digest = sha256(token.encode("utf-8", "replace")).digest()
        seen = self._seen.get(digest) or self._read(token)
        now, leeway = self._clock(), self._wanted.leeway_s
        if now >= seen.ends + leeway:
            raise Unauthorized("the token has expired")
        if now < seen.starts - leeway:
            raise Unauthorized("the token is not good yet")
        if len(self._seen) >= _KEPT:
            self._seen.clear()
        self._seen[digest] = seen
        if not seen.allowed:
            raise Forbidden(f"the token lacks the scope {self._wanted.scope}")

    def _read(self, token: str) -> _Seen:
        """What a token says, once its signature is found to be good. Raises Unauthorized."""
        try:
            header = jwt.get_unverified_header(token)
            claims = self._verified(token, header)
            return _Seen(
                starts=float(claims.get("nbf", float("-inf"))),
                ends=float(claims["exp"]),
                allowed=not self._wanted.scope or self._wanted.scope in _scopes(claims),
            )
        except jwt.InvalidAudienceError:
            raise Unauthorized("the token is for another audience") from None
        except jwt.InvalidIssuerError:
            raise Unauthorized("the token comes from another issuer") from None
        except jwt.MissingRequiredClaimError as error:
            raise Unauthorized(f"the token has no claim {error.claim}") from None
        except (jwt.PyJWTError, TypeError, ValueError):
            raise Unauthorized("the token is not accepted") from None

    def _verified(self, token: str, header: Mapping[str, Any]) -> dict[str, Any]:
        algorithm, id = header.get("alg"), header.get("kid")
        if algorithm not in self._wanted.algorithms:  # before anything is fetched for it
            raise jwt.InvalidAlgorithmError
        key = self._keys.find(id)
        if key is None or key.get("alg", algorithm) != algorithm:
            raise jwt.InvalidKeyError
        # Times are looked at by our own clock, again each time that the token comes.
        options: Any = {
            "require": ["exp", "iss", "aud"],
            "verify_exp": False, "verify_nbf": False, "verify_iat": False,
        }  # fmt: skip
        public = jwt.PyJWK(dict(key), algorithm=algorithm)
        checking = jwt.PyJWT(options={"enforce_minimum_key_length": True})
        return checking.decode(
            token,
            public,
            algorithms=list(self._wanted.algorithms),
            options=options,
            audience=self._wanted.audience,
            issuer=self._wanted.issuer,
        )


def _scopes(claims: Mapping[str, Any]) -> Sequence[str]:
    """The scopes of a token: text or a list, by either of the names in use."""
    found = claims.get("scope", claims.get("scp", ""))
    return found.split() if isinstance(found, str) else [str(s) for s in found]
