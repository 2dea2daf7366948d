"""The keys that tokens are signed with: a JSON Web Key Set (RFC 7517), fetched and kept a while.

Keys rotate: a token whose key is not known makes us look again, but not more often than every
`pause_s`, whoever sends such tokens. While the set can't be had, the one that we have goes on.
"""

from __future__ import annotations

import logging
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from http.client import HTTPException
from typing import Any

import orjson

from sluice.errors import StoreUnavailable

log = logging.getLogger("sluice")
_LARGEST = 1 << 20
_KINDS = ("RSA", "EC", "OKP")  # never "oct": a secret that is shared is no public key
Keys = Mapping[str, Mapping[str, Any]]


class KeySet:
    """The public keys of who issues tokens, by their id.

    Args:
        fetch: the document.
        max_age_s: after so long it is fetched anew, beside the requests.
        oldest_s: a set that could not be fetched anew for so long is not trusted any more.
        pause_s: between two looks at least.
        clock: seconds, monotonic.
        start: runs a look beside the requests.
    """

    def __init__(
        self,
        fetch: Callable[[], bytes],
        *,
        max_age_s: float = 300.0,
        oldest_s: float = 86_400.0,
        pause_s: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
        start: Callable[[Callable[[], object]], object] | None = None,
    ) -> None:
        self._fetch, self._clock, self._start = fetch, clock, start or _beside
        self._max_age_s, self._oldest_s, self._pause_s = max_age_s, oldest_s, pause_s
        self._keys: Keys | None = None
        self._document = b""
        self._fetched = self._looked = -float("inf")
        self._looking = threading.Lock()

    def current(self) -> Keys:
        """The keys; the same object as long as they have not changed.

        Raises StoreUnavailable when there are none, or too old ones.
        """
        now = self._clock()
        if self._keys is None or now - self._fetched >= self._oldest_s:
            if not self._may_look() or not self._look():
                raise StoreUnavailable("the key set for tokens can't be had")
        elif now - self._fetched >= self._max_age_s and self._may_look():
            self._looked = now  # not a second time before it is done
            self._start(self._look)
        assert self._keys is not None
        return self._keys

    def find(self, id: str | None) -> Mapping[str, Any] | None:
        """The key with an id, or the only one there is; None when there is none.

        Raises StoreUnavailable as `current` does.
        """
        keys = self.current()
        if id is None:
            return next(iter(keys.values())) if len(keys) == 1 else None
        if id not in keys and self._may_look() and self._look():
            keys = self.current()
        return keys.get(id)

    def _may_look(self) -> bool:
        return self._clock() - self._looked >= self._pause_s

    def _look(self) -> bool:
        """Fetch the set; False when that fails."""
        with self._looking:
            self._looked = self._clock()
            try:
                document = self._fetch()
                if document != self._document:
                    self._keys = parse(document)
                    self._document = document
            except (OSError, HTTPException, ValueError) as error:
                log.error("the key set for tokens can't be had: %s", error)
                return False
            self._fetched = self._looked
            return True


def _beside(look: Callable[[], object]) -> None:
    threading.Thread(target=look, name="sluice-jwks", daemon=True).start()


def parse(document: bytes) -> Keys:
    """The signing keys of a document by id. Raises ValueError."""
    data = orjson.loads(document)
    found = data.get("keys") if isinstance(data, dict) else None
    if not isinstance(found, list):
        raise ValueError("expected a JSON Web Key Set: a mapping with a list of keys")
    usable = [
        key
        for key in found
        if isinstance(key, dict) and key.get("kty") in _KINDS and key.get("use", "sig") == "sig"
    ]
    return {str(key.get("kid", "")): key for key in usable}


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Keys come from where the settings say, and from nowhere else."""

    def redirect_request(self, *_: Any) -> None:
        return None


def fetcher(url: str, timeout_s: float = 3.0) -> Callable[[], bytes]:
    """What fetches a document over HTTPS. It raises OSError, HTTPException, ValueError."""
    opener = urllib.request.build_opener(_NoRedirect)

    def fetch() -> bytes:
        with opener.open(url, timeout=timeout_s) as answer:
            document: bytes = answer.read(_LARGEST + 1)
        if len(document) > _LARGEST:
            raise ValueError(f"{url} is larger than {_LARGEST} bytes")
        return document

    return fetch
