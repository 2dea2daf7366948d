"""Credentials in front of functions: who is let in, what is said to others, and what is not."""

from __future__ import annotations

import json
import logging
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate

from functions.enrich.function import Enrich
from functions.ingest.function import IngestSurface
from functions.ingest.function import handler as ingest_handler
from sluice.access.access import HEALTH, Access
from sluice.access.jwks import KeySet
from sluice.access.keys import Keys, digest_of, parse
from sluice.access.open import open_access
from sluice.access.tokens import Tokens, Wanted
from sluice.commands.serve import warn_unguarded
from sluice.errors import DeclarationError, Forbidden, Unauthorized
from sluice.features.embedded import EmbeddedStore
from sluice.features.ingest import Ingest
from sluice.host.context import Context
from sluice.host.event import Event, Trigger
from sluice.metrics import Registry
from sluice.protocol.apart import StepSurface
from sluice.protocol.feedback import Feedback
from sluice.protocol.http import Request
from sluice.protocol.meter import Meter
from sluice.protocol.surface import Surface
from sluice.service import Service
from sluice.settings import Settings
from tests.access.issuer import AUDIENCE, ISSUER, NOW, Issuer, rsa_key, token
from tests.conftest import ROOT
from tests.features import delays
from tests.features.delays import departure
from tests.protocol.events import raw
from tests.serving import served
from tests.tiny import ORDER, Tiny

KEY, ELSEWHERE = "sluice_the-secret-of-alice", "sluice_the-secret-of-bob"
PATHS = (
    ("POST", "/"), ("POST", "/feedback"), ("GET", "/v2"), ("GET", "/v2/models/binary"),
    ("GET", "/v2/models/binary/ready"), ("POST", "/v2/models/binary/infer"),
    ("POST", "/v2/models/other/infer"), ("GET", "/metrics"), ("GET", "/openapi.json"),
    ("GET", "/elsewhere"), ("DELETE", "/"), ("GET", "/v2/health"), ("GET", "/v2/health/live/x"),
)  # fmt: skip


def keys() -> Keys:
    alice, bob = digest_of(KEY).hex(), digest_of(ELSEWHERE).hex()
    return Keys(parse([f"alice:{alice}", f"bob:{bob}:other"], "settings", "api_keys"))


def tokens(**wanted: Any) -> Tokens:
    return Tokens(
        KeySet(Issuer().fetch), Wanted(ISSUER, AUDIENCE, **wanted), clock=lambda: NOW
    )  # fmt: skip


@pytest.fixture
def access() -> Access:
    return Access("binary", keys=keys(), tokens=tokens(scope="ask"))


@pytest.fixture
def surface(shop: Tiny, access: Access, tmp_path: Path) -> Iterator[Surface]:
    """A whole surface, with events."""
    project = replace(shop.project, settings=replace(shop.project.settings, monitoring=True))
    with Service.open(project, "binary") as service:
        meter = Meter(Registry(tmp_path / "metrics"), service.application, None)
        yield Surface(
            service,
            feedback=Feedback.open(project, "binary"),
            meter=meter,
            access=access,
        )


def get(path: str, **headers: str) -> Any:
    return raw(b"", path, "GET", **headers)


@pytest.mark.parametrize(("method", "path"), PATHS)
def test_nobody_is_answered_without_credentials(surface: Surface, method: str, path: str) -> None:
    answer = surface.answer(raw(ORDER, path, method))
    assert answer.status == 401, "before it is said whether there is such a path"
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="sluice"'
    assert json.loads(answer.body)["error"].startswith("no credentials: send an API key")


@pytest.mark.parametrize("path", HEALTH)
def test_health_is_open(surface: Surface, path: str) -> None:
    assert surface.answer(get(path)).status == 200
    assert surface.answer(get(path + "/")).status == 200


def test_a_path_in_a_header_is_the_path_that_is_checked(surface: Surface) -> None:
    hidden = raw(ORDER, HEALTH[0], mlrun_event_path="/")
    assert surface.answer(hidden).status == 401
    shown = raw(b"", "/", "GET", mlrun_event_path=HEALTH[0])
    assert json.loads(surface.answer(shown).body) == {"live": True}


@pytest.mark.parametrize(
    "headers",
    [
        {"X-API-Key": KEY},
        {"x-api-key": KEY},
        {"Authorization": f"Bearer {KEY}"},
        {"Authorization": f"bearer  {KEY} "},
        {"Authorization": f"Bearer {token(scope='ask')}"},
        {"Authorization": f"Bearer {KEY}".encode()},
    ],
)
def test_who_is_known_is_answered(surface: Surface, headers: dict[str, Any]) -> None:
    event = raw(ORDER)
    event.headers = headers
    assert surface.answer(event).status == 200


def test_events_that_come_together_are_looked_at_one_by_one(surface: Surface) -> None:
    events = [raw(ORDER, x_api_key=KEY), raw(ORDER), raw(ORDER, x_api_key=KEY)]
    assert [a.status for a in surface.answers(events)] == [200, 401, 200]


@pytest.mark.parametrize(
    ("headers", "status", "challenge"),
    [
        ({"X-API-Key": KEY[:-1]}, 401, "invalid_token"),
        ({"X-API-Key": ""}, 401, "invalid_token"),
        ({"X-API-Key": token(scope="ask")}, 401, "invalid_token"),
        ({"X-API-Key": "wrong", "Authorization": f"Bearer {KEY}"}, 401, "invalid_token"),
        ({"Authorization": KEY}, 401, ""),
        ({"Authorization": "Basic YTpi"}, 401, ""),
        ({"Authorization": f"Bearer {token(rsa_key('two'), scope='ask')}"}, 401, "invalid_token"),
        ({"Authorization": f"Bearer {token(scope='ask', exp=NOW - 60)}"}, 401, "invalid_token"),
        ({"X-API-Key": ELSEWHERE}, 403, "insufficient_scope"),
        ({"Authorization": f"Bearer {token()}"}, 403, "insufficient_scope"),
    ],
)
def test_who_is_not_is_told_why(
    surface: Surface, headers: dict[str, str], status: int, challenge: str
) -> None:
    event = raw(ORDER)
    event.headers = headers
    answer = surface.answer(event)
    assert answer.status == status
    assert challenge in answer.headers["WWW-Authenticate"]
    assert not any(len(v) > 9 and v in str(answer) for v in headers.values())


def test_no_secret_in_a_log_an_event_an_error_or_a_metric(
    surface: Surface, shop: Tiny, caplog: pytest.LogCaptureFixture
) -> None:
    secrets = [KEY, ELSEWHERE, "sluice_wrong", token(scope="ask"), token(), token(exp=NOW - 60)]
    sums = [digest_of(KEY).hex(), digest_of(ELSEWHERE).hex()]
    seen = []
    with caplog.at_level(logging.DEBUG):
        for secret in secrets:
            headers = {"authorization": f"Bearer {secret}"}
            for path in ("/", "/feedback", "/v2/models/binary/infer"):
                for body in (ORDER, {"id": "x", "label": 1}, b"{broken", {"city": "Bonn"}):
                    seen.append(surface.answer(raw(body, path, **headers)))
        for page in ("/metrics", "/openapi.json"):
            seen.append(surface.answer(get(page, x_api_key=KEY)))
        surface.service.application.close()
    assert {a.status for a in seen} >= {200, 202, 400, 401, 403, 422}
    everything = str(seen) + caplog.text + repr(surface._access)
    for file in (shop.root / ".sluice").rglob("*"):
        everything += file.read_bytes().decode("latin-1") if file.is_file() else ""
    assert "probability" in everything
    for secret in (*secrets, *sums):
        assert secret not in everything


def test_pages_may_be_public(shop: Tiny) -> None:
    access = Access("binary", keys=keys(), public=["/metrics", "/openapi.json"])
    with shop.service("binary") as service:
        surface = Surface(service, access=access)
        document = json.loads(surface.answer(get("/openapi.json")).body)
        assert surface.answer(raw(ORDER)).status == 401
    validate(document)
    assert document["components"]["securitySchemes"].keys() == {"bearer", "key"}
    assert document["security"] == [{"bearer": []}, {"key": []}]
    opened = {p for p, o in document["paths"].items() if o.get("get", {}).get("security") == []}
    assert opened == {*HEALTH, "/metrics", "/openapi.json"}


def test_the_document_says_what_is_wanted(shop: Tiny) -> None:
    with shop.service("binary") as service:
        plain = json.loads(Surface(service).answer(get("/openapi.json")).body)
        access = Access("binary", tokens=tokens(), public=["/openapi.json"])
        document = json.loads(Surface(service, access=access).answer(get("/openapi.json")).body)
    assert "security" not in plain
    assert document["components"]["securitySchemes"] == {
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    }
    assert "WWW-Authenticate" in document["components"]["responses"]["401"]["headers"]


def test_a_step_of_its_own_is_guarded_too(shop: Tiny, access: Access) -> None:
    with shop.service("binary") as service:
        step = Enrich(context=service.graph.context, name="enrich")
        step.post_init()
        surface = StepSurface(step, access)
        assert surface.answer(raw(ORDER)).status == 401
        assert surface.answer(get("/")).status == 401
        assert surface.answer(get(HEALTH[1])).status == 200
        assert surface.answer(raw(ORDER, x_api_key=KEY)).status == 200
        assert surface.answer(get("/", x_api_key=KEY)).status == 405
        assert StepSurface(step).answer(raw(ORDER)).status == 200


def test_ingest_is_guarded_over_http_not_on_a_stream(access: Access, tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "store", ("project", "graph"))
    context = Context()
    ingest = Ingest(delays.declared(tmp_path), store)
    context.user_data.surface = IngestSurface(ingest, store, 100, access)

    def sent(**options: Any) -> int:
        body = json.dumps(departure(str(options), 20.0)).encode()
        status: int = ingest_handler(context, Event(body, **options)).status_code
        return status

    assert sent() == 401
    assert sent(target="/elsewhere") == 401
    assert sent(method="GET", target=HEALTH[1]) == 200
    assert sent(headers={"X-Api-Key": KEY}) == 200
    assert sent(trigger=Trigger("kafka-cluster", "departures")) == 200
    store.close()


def opened(tiny: Tiny, **settings: Any) -> Access | None:
    project = replace(tiny.project, settings=Settings.load(settings, {}))
    return open_access(project, "binary")


def test_the_settings_open_it(tiny: Tiny, tmp_path: Path) -> None:
    assert opened(tiny) is None
    listed = f"alice:{digest_of(KEY).hex()}, bob:{digest_of(ELSEWHERE).hex()}:other"
    file = tmp_path / "keys"
    file.write_text(listed.replace(", ", "\n"), "utf-8")
    for settings in ({"api_keys": listed}, {"api_keys_file": str(file)}):
        access = opened(tiny, **settings, public="metrics")
        assert access is not None
        access.check(Request(raw(ORDER, x_api_key=KEY)))
        access.check(Request(get("/metrics")))
        with pytest.raises(Forbidden):
            access.check(Request(raw(ORDER, x_api_key=ELSEWHERE)))
        with pytest.raises(Unauthorized):
            access.check(Request(get("/openapi.json")))
    file.write_text("", "utf-8")
    empty = opened(tiny, api_keys_file=str(file))
    assert empty is not None, "a file without keys lets nobody in"


JWT = {"jwks_url": "https://issuer.example.com/jwks", "jwt_issuer": "a", "jwt_audience": "b"}


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"api_keys": f"alice:{KEY}"}, "api_keys: entry 1: is no name with a SHA-256 sum"),
        ({"api_keys_file": "nowhere"}, "nowhere: can't be read"),
        ({"public": "all"}, "public: unknown page 'all' .allowed: metrics, openapi"),
        ({**JWT, "jwt_issuer": ""}, "jwt_issuer: is missing"),
        ({**JWT, "jwt_audience": ""}, "jwt_audience: is missing"),
        ({**JWT, "jwks_url": "http://issuer.example.com/"}, "jwks_url: is not an https"),
        ({**JWT, "jwks_url": "file:///etc/passwd"}, "jwks_url: is not an https"),
        ({**JWT, "jwt_algorithms": "HS256"}, "jwt_algorithms: unknown 'HS256'"),
        ({**JWT, "jwt_algorithms": "RS256,none"}, "jwt_algorithms: unknown 'none'"),
        ({**JWT, "jwt_algorithms": ","}, "jwt_algorithms: names no algorithm"),
    ],
)
def test_settings_that_do_not_fit(tiny: Tiny, settings: dict[str, str], problem: str) -> None:
    with pytest.raises(DeclarationError, match=problem) as error:
        opened(tiny, **settings)
    assert KEY not in str(error.value)


def test_the_scope_may_name_the_graph(tiny: Tiny) -> None:
    access = opened(tiny, **JWT, jwt_scope="ask:{graph}")
    assert access is not None
    assert access._tokens is not None
    assert access._tokens._wanted.scope == "ask:binary"


def test_an_open_door_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    guarded = Settings.load({"api_keys": "x"}, {})
    warn_unguarded(Settings.load({}, {}), "127.0.0.1")
    warn_unguarded(guarded, "0.0.0.0")
    assert caplog.text == ""
    warn_unguarded(Settings.load({}, {}), "0.0.0.0")
    assert "everybody who reaches 0.0.0.0 may ask" in caplog.text


def test_over_http(shop: Tiny) -> None:
    """The same on the local host: `sluice serve` with keys from its environment."""
    environ = {
        "SLUICE_STATE": ".sluice",
        "SLUICE_API_KEYS": f"alice:{digest_of(KEY).hex()}",
        "PYTHONPATH": f"{shop.root}{os.pathsep}{ROOT}",
    }
    with served("binary", shop.root, **environ) as client:
        assert client.get("/v2/health/live").status == 200
        assert client.get("/metrics").status == 401
        assert client.post("/", ORDER).status == 401
        assert client.post("/", ORDER, {"X-API-Key": KEY}).status == 200
        assert client.post("/", ORDER, {"Authorization": f"Bearer {KEY}"}).status == 200
        with pytest.raises(urllib.error.HTTPError, match="401") as refused:
            urllib.request.urlopen(f"{client.url}/openapi.json")
        assert refused.value.headers["WWW-Authenticate"] == 'Bearer realm="sluice"'
        refused.value.close()
