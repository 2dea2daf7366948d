"""MLRun's monitoring of a model that it does not serve: events posted to its stream function.

An answered request is one POST in the shape of MLRun's MonitoringHTTPPayload. What has no answer
has no place there, and is passed over.
"""

from __future__ import annotations

import http.client
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import orjson

from sluice.errors import DeclarationError, SluiceError, StoreUnavailable
from sluice.streams import Message

_LATER = (408, 425, 429)


class MlrunProducer:
    """Posts events to MLRun, as a producer that an Outbox sends by; the topic says nothing here.

    Args:
        url: where MLRun's monitoring takes events (MODEL_MONITORING_URL).
        endpoint: the model endpoint's uid (MODEL_ENDPOINT_UID), and its name.
        timeout_s: how long one POST may take.

    Raises DeclarationError for what is no URL, or no endpoint.
    """

    def __init__(self, url: str, endpoint: tuple[str, str], timeout_s: float = 5.0) -> None:
        parts = urlsplit(url)
        kinds = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
        if parts.scheme not in kinds or not parts.hostname:
            hint = "http://…, as MLRun sets MODEL_MONITORING_URL"
            raise DeclarationError("settings", "monitoring_url", "is no URL", hint)
        if not all(endpoint):
            hint = "MLRun sets MODEL_ENDPOINT_UID and MODEL_ENDPOINT_NAME"
            raise DeclarationError("settings", "endpoint_uid", "names no model endpoint", hint)
        self._connection = kinds[parts.scheme](parts.hostname, parts.port, timeout=timeout_s)
        self._path = parts.path or "/"
        self._endpoint = endpoint

    def produce(
        self,
        topic: str,
        value: bytes,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, int]:
        """Post one event. Raises as produce_many does."""
        self.produce_many(topic, [Message(value, key, headers or {})])
        return 0, 0

    def produce_many(self, topic: str, messages: Sequence[Message]) -> list[tuple[int, int]]:
        """Post events, one by one; there are no offsets.

        Raises StoreUnavailable where trying again may help, SluiceError where MLRun refuses one.
        """
        for message in messages:
            if (payload := payload_of(message.value, *self._endpoint)) is not None:
                self._post(orjson.dumps(payload))
        return []

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _post(self, body: bytes) -> None:
        connection = self._connection
        try:
            connection.request("POST", self._path, body, {"Content-Type": "application/json"})
            reply = connection.getresponse()
            text = reply.read()[:300].decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            connection.close()  # half an answer may be in it
            raise StoreUnavailable(f"MLRun's monitoring: {type(error).__name__}") from error
        if reply.status >= 500 or reply.status in _LATER:
            raise StoreUnavailable(f"MLRun's monitoring answers {reply.status}: {text}")
        if reply.status >= 300:
            raise SluiceError(f"MLRun's monitoring refuses an event: {reply.status} {text}")


def payload_of(event: bytes, uid: str, name: str) -> dict[str, Any] | None:
    """What MLRun takes of an event: the records that were answered; None where there is none.

    Rows are by name: MLRun brings them into the order of the endpoint's schema.
    """
    value = orjson.loads(event)
    request, answer = value["request"], value.get("resp", {"outputs": []})
    pairs = zip(request["inputs"], answer["outputs"], strict=False)
    answered = [pair for pair in pairs if any(v is not None for v in pair[1])]
    if not answered:
        return None
    return {
        "model_endpoint_uid": uid,
        "model_endpoint_name": name,
        "inputs": [dict(zip(request["input_schema"], row, strict=True)) for row, _ in answered],
        "outputs": [dict(zip(answer["output_schema"], row, strict=True)) for _, row in answered],
        "latency": value["microsec"],
        "timestamp": value["when"],
        "request_id": request["id"],
        "model_class": value["class"],
        "labels": value["labels"],
    }
