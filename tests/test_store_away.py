"""A graph with its models in S3 and its features on a server: the same reply as with folders; told
503 while Redis is away, and it recovers by itself."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sluice.application import Application
from sluice.errors import SluiceError
from sluice.features.materialise import materialise
from sluice.protocol.surface import Surface
from sluice.service import Service
from sluice.stores import model_store
from tests.protocol.events import raw
from tests.servers import REGION, RedisServer, aws, bucket, let_in, name_of
from tests.tiny import ORDER, Tiny


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with closing(RedisServer()) as server:
        yield server


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    let_in(monkeypatch)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)


def opened(shop: Tiny, **settings: Any) -> Application:
    """The application with its features, which are materialised, and models elsewhere."""
    changed = replace(shop.project.settings, monitoring=False, refresh=0.05, **settings)
    project = replace(shop.project, settings=changed)
    application = Application.open(project, shop.parameters("binary"))
    materialise(application.definitions, shop.root, application.features, progress=False)
    if "models" in settings:
        stored = shop.models.read("binary", shop.models.aliases("binary")["champion"].version)
        # Whether trees are beside a model is a measurement's choice: it may differ.
        model = stored.manifest.model_file
        same = (f for f in shop.fit("binary").values() if f.files[model] == stored.files[model])
        [fitted] = same
        models = model_store(project)
        models.promote("binary", models.log("binary", fitted.draft, fitted.files))
    return application


def answer(surface: Surface, status: int) -> Any:
    found = surface.answer(raw(ORDER))
    assert found.status == status, found.body
    return json.loads(found.body)


def test_stores_elsewhere_give_the_same_reply(
    shop: Tiny, server: RedisServer, tmp_path: Path
) -> None:
    with shop.service("binary") as service:
        expected = service.predict(ORDER)
    options = f"?endpoint={aws()}&timeout=10"
    for features in (server.url, f"dynamodb://{REGION}/{name_of(tmp_path)}{options}"):
        place = f"s3://{bucket()}/{name_of(tmp_path)}-{features[:5]}{options}"
        application = opened(shop, features=features, models=place)
        with shop.service("binary", application) as service:
            assert service.predict(ORDER) == expected
    assert list((shop.root / ".sluice" / "cache" / "models").iterdir())


def test_a_graph_is_told_503_while_its_store_is_away(shop: Tiny, server: RedisServer) -> None:
    application = opened(shop, features=server.url)
    with shop.service("binary", application) as service:
        surface = Surface(service)
        before = answer(surface, 200)["outputs"]
        server.kill()
        start = time.monotonic()
        error = answer(surface, 503)["error"]
        assert time.monotonic() - start < 2
        assert "redis" not in str(error).lower()  # where it is concerns no caller
        server.start()
        assert answer(surface, 200)["outputs"] == before
        server.stop()
        answer(surface, 503)
        server.stop(going_on=True)
        assert answer(surface, 200)["outputs"] == before


def test_a_server_starts_only_with_its_store_and_says_which(
    shop: Tiny, server: RedisServer
) -> None:
    application = opened(shop, features=server.url)
    application.close()
    server.kill()
    changed = replace(shop.project.settings, monitoring=False, features=server.url)
    project = replace(shop.project, settings=changed)
    away = Application.open(project, shop.parameters("binary"))
    with pytest.raises(SluiceError, match=rf"redis://127.0.0.1:{server.port}"):
        Service.open(project, "binary", application=away)
    server.start()
    with Service.open(project, "binary", application=away) as service:
        assert service.predict(ORDER)["label"] in (0, 1, "0", "1", False, True)
