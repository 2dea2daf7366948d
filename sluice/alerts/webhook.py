"""Posts notices to an address, signed as standardwebhooks.com describes.

    webhook-id         the notice's id, the same in every try: who has seen it may drop it
    webhook-timestamp  when it was sent, epoch s
    webhook-signature  v1, and the HMAC-SHA256 of id.timestamp.body in base64; of a secret only

Not found, forbidden and the like are refusals, and are not tried again.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
from urllib.parse import urlsplit

import orjson

from sluice.alerts.notice import Notice
from sluice.errors import SluiceError, StoreUnavailable
from sluice.streams import Clock

_LATER = (408, 425, 429)
_MOST = 1 << 18  # bytes of a body


class WebhookChannel:
    """Posts to one address; a connection for each notice.

    Args:
        url: the address.
        clock: for the signature's time.
        secret: signs, or is carried by `header`; empty: neither.
        header: carries the secret instead of a signature.
        timeout_s: how long each wait for the other side may take.
    """

    def __init__(
        self, url: str, clock: Clock, secret: str = "", header: str = "", timeout_s: float = 5.0
    ) -> None:
        self._parts, self._clock, self._timeout_s = urlsplit(url), clock, timeout_s
        self._secret, self._header = secret, header

    def send(self, notice: Notice) -> None:
        """Post a notice.

        Raises StoreUnavailable where trying again may help, SluiceError where it is refused.
        """
        kinds = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
        host = self._parts.hostname or ""
        connection = kinds[self._parts.scheme](host, self._parts.port, timeout=self._timeout_s)
        path = self._parts.path or "/"
        query = f"?{self._parts.query}" if self._parts.query else ""
        body = body_of(notice)
        try:
            connection.request("POST", path + query, body, self._headers(notice.id, body))
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            # Its text may quote the address, which may be a secret.
            raise StoreUnavailable(f"the webhook at {host}: {type(error).__name__}") from None
        finally:
            connection.close()
        if status >= 500 or status in _LATER:
            raise StoreUnavailable(f"the webhook at {host} answers {status}")
        if status >= 300:
            raise SluiceError(f"the webhook at {host} refuses a notice: {status}")

    def _headers(self, id: str, body: bytes) -> dict[str, str]:
        sent = str(int(self._clock.time()))
        headers = {"Content-Type": "application/json", "Idempotency-Key": id}
        headers |= {"webhook-id": id, "webhook-timestamp": sent}
        if self._secret and self._header:
            headers[self._header] = self._secret
        elif self._secret:
            headers["webhook-signature"] = signature(self._secret, id, sent, body)
        return headers


def body_of(notice: Notice) -> bytes:
    """A notice as JSON; of one that is too large the incidents' evidence is left out."""
    data = notice.to_dict()
    body = orjson.dumps(data)
    if len(body) <= _MOST:
        return body
    for incident in data["opened"] + data["closed"]:
        incident["evidence"] = {}
    return orjson.dumps(data)


def signature(secret: str, id: str, sent: str, body: bytes) -> str:
    """The value of webhook-signature. A secret "whsec_…" is base64, any other is taken as text."""
    encoded = secret.removeprefix("whsec_")
    key = secret.encode() if encoded == secret else base64.b64decode(encoded)
    signed = hmac.new(key, b"%b.%b." % (id.encode(), sent.encode()) + body, hashlib.sha256)
    return f"v1,{base64.b64encode(signed.digest()).decode()}"
