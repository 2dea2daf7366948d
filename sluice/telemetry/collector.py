"""A collector that takes OTLP by HTTP, in protobuf."""

from __future__ import annotations

import http.client
from contextlib import closing
from urllib.parse import unquote, urlsplit

from sluice.errors import DeclarationError, SluiceError, StoreUnavailable

_KINDS = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
_ABOUT_THE_BODY = (400, 413, 422)


class Collector:
    """Posts what is encoded already, each time by a connection of its own.

    Args:
        url: its base address; /v1/traces and /v1/metrics are put behind it.
        headers: sent with each post, as in OTEL_EXPORTER_OTLP_HEADERS: `name=value`, with commas
            between, values percent-encoded.
        timeout_s: how long the collector may be silent.

    Raises DeclarationError for what is no such address, or no such headers.
    """

    def __init__(self, url: str, headers: str = "", timeout_s: float = 10.0) -> None:
        parts = urlsplit(url)
        if parts.scheme not in _KINDS or not parts.hostname:
            hint = "http://HOST:4318, where a collector takes OTLP by HTTP"
            raise DeclarationError("settings", "otlp", "is no URL", hint)
        self._kind, self._host, self._port = _KINDS[parts.scheme], parts.hostname, parts.port
        self._path, self._timeout_s = parts.path.rstrip("/"), timeout_s
        self._headers = {"Content-Type": "application/x-protobuf", **_headers(headers)}

    def post(self, path: str, body: bytes) -> bytes:
        """What is answered to a post to /v1/traces or /v1/metrics.

        Raises StoreUnavailable where another try may help, if only after somebody has mended an
        address or a password; SluiceError where it is the body that is refused.
        """
        try:
            with closing(self._kind(self._host, self._port, timeout=self._timeout_s)) as connection:
                connection.request("POST", self._path + path, body, self._headers)
                reply = connection.getresponse()
                answer: bytes = reply.read()
        except (OSError, http.client.HTTPException) as error:
            raise StoreUnavailable(f"the OTLP collector: {type(error).__name__}") from error
        if reply.status < 300:
            return answer
        text = f"the OTLP collector answers {reply.status} to {path}"
        raise (SluiceError if reply.status in _ABOUT_THE_BODY else StoreUnavailable)(text)


def _headers(text: str) -> dict[str, str]:
    found = {}
    for pair in filter(None, map(str.strip, text.split(","))):
        name, sign, value = pair.partition("=")
        if not sign or not name.strip():
            problem, hint = "hold what is no header", "NAME=VALUE,NAME=VALUE"
            raise DeclarationError("settings", "otlp_headers", problem, hint)
        found[name.strip()] = unquote(value.strip())
    return found
