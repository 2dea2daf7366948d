"""Whether a request may be answered: one small check, before anything else is looked at."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from sluice.access.keys import Keys
from sluice.errors import Forbidden, Unauthorized
from sluice.protocol.http import Request

if TYPE_CHECKING:
    from sluice.access.tokens import Tokens

HEALTH = ("/v2/health/live", "/v2/health/ready")
_HOW = {
    (True, False): "send an API key as X-API-Key, or as Authorization: Bearer",
    (False, True): "send a token as Authorization: Bearer",
    (True, True): "send an API key as X-API-Key, or a key or token as Authorization: Bearer",
}


class Access:
    """Who may ask one graph.

    Args:
        graph: its name.
        keys: API keys, in the header X-API-Key or as a bearer's.
        tokens: JSON Web Tokens, as a bearer's.
        public: paths that need no credentials, beside those of health.
    """

    def __init__(
        self,
        graph: str,
        *,
        keys: Keys | None = None,
        tokens: Tokens | None = None,
        public: Collection[str] = (),
    ) -> None:
        if keys is None and tokens is None:
            raise ValueError("access wants keys or tokens")
        self._graph, self._keys, self._tokens = graph, keys, tokens
        self._public = frozenset((*HEALTH, *public))

    def check(self, request: Request) -> None:
        """Raise Unauthorized for a caller who is not known, Forbidden for one who may not ask.

        Neither says anything of what was sent. Raises StoreUnavailable when a token can't be
        checked now.
        """
        if request.path in self._public:
            return
        given = request.header("x-api-key")
        bearer = _bearer(request.header("authorization")) if given is None else None
        if self._tokens is not None and bearer is not None and bearer.count(".") == 2:
            self._token(self._tokens, bearer)
            return
        self._key(bearer if given is None else given)

    def _token(self, tokens: Tokens, token: str) -> None:
        try:
            tokens.check(token)
        except Unauthorized as error:
            error.challenge += ', error="invalid_token"'
            raise

    def _key(self, given: str | None) -> None:
        if given is None:
            how = _HOW[self._keys is not None, self._tokens is not None]
            raise Unauthorized(f"no credentials: {how}")
        key = self._keys.find(given) if self._keys is not None else None
        if key is None:
            error = Unauthorized("the credentials are not accepted")
            error.challenge += ', error="invalid_token"'
            raise error
        if key.graphs and self._graph not in key.graphs:
            raise Forbidden(f"the key is not for {self._graph}")

    def describe(self, document: dict[str, Any]) -> None:
        """Say in an OpenAPI document which credentials its operations want."""
        kinds: dict[str, Any] = {"bearer": {"type": "http", "scheme": "bearer"}}
        if self._keys is not None:
            kinds["key"] = {"type": "apiKey", "in": "header", "name": "X-API-Key"}
        if self._tokens is not None and self._keys is None:
            kinds["bearer"]["bearerFormat"] = "JWT"
        document["components"]["securitySchemes"] = kinds
        document["security"] = [{kind: []} for kind in kinds]
        for path in self._public & document["paths"].keys():
            for operation in document["paths"][path].values():
                operation["security"] = []


def _bearer(header: str | None) -> str | None:
    if header is None:
        return None
    scheme, _, value = header.partition(" ")
    return value.strip() if scheme.lower() == "bearer" else None
