"""What a graph's surface tells about itself: health, metadata, the OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sluice
from sluice.application import Application
from sluice.errors import SluiceError, Unavailable, told
from sluice.live import Live
from sluice.protocol.http import Answer, Request, dumps
from sluice.protocol.outputs import metadata
from sluice.protocol.ranked import Ranked


class About:
    """Answers the requests of GET that are about the graph.

    Args:
        application: whose graph it is.
        ranked: what its lists are, where it answers lists.
        describe: makes the OpenAPI document of live versions.
    """

    def __init__(
        self,
        application: Application,
        ranked: Ranked | None,
        describe: Callable[[Live], dict[str, Any]],
    ) -> None:
        self._application, self._ranked, self._describe = application, ranked, describe
        self._schema = application.definitions.record
        self._document: tuple[Live, bytes] | None = None

    def server(self, _: Request) -> Answer:
        body = {"name": "sluice", "version": sluice.__version__}
        return Answer(200, dumps({**body, "extensions": ["binary_tensor_data"]}))

    def ready(self, _: Request) -> Answer:
        try:
            live = self._application.live()
        except SluiceError as error:
            raise Unavailable(f"not ready: {told(error)}") from error
        body: dict[str, Any] = {"ready": True, "model": live.graph, "versions": dict(live.aliases)}
        refused = {**live.refused}
        if self._application.refusal:
            refused["reload"] = self._application.refusal
        if refused:
            body["refused"] = refused
        return Answer(200, dumps(body))

    def model_ready(self, version: str | None, _: Request) -> Answer:
        live = self._application.live()
        chosen = live.version(version) if version else live.champion
        return Answer(200, dumps({"name": live.graph, "version": chosen.number, "ready": True}))

    def metadata(self, version: str | None, _: Request) -> Answer:
        live = self._application.live()
        told = metadata(live, self._schema, version, self._ranked)
        return Answer(200, dumps(told))

    def openapi(self, _: Request) -> Answer:
        live = self._application.live()
        made = self._document
        if made is None or made[0] is not live:
            made = self._document = live, dumps(self._describe(live))
        return Answer(200, made[1])
