"""Live versions: what is picked up, refused, and answers side by side."""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sluice.application import Application
from sluice.errors import DeclarationError, NotFound, Unavailable, VersionRefused
from sluice.features.definitions import read_definitions
from sluice.features.store import layout_of
from sluice.protocol.surface import Surface
from sluice.service import Service
from tests.protocol.events import raw
from tests.tiny import ORDER, Tiny

ORDERS: list[dict[str, Any]] = [
    {**ORDER, "city": city, "visits": visits, "amount": amount}
    for city in ("Aden", "Bonn", "Cork", "Ñandú", "Oslo")
    for visits, amount in ((0, 10.0), (8, 990.5), (3, None))
]


class Ticking:
    """A clock that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def flip(tiny: Tiny, graph: str, version: str, name: str) -> None:
    """Change one byte in the middle of a version's file."""
    file = tiny.root / ".sluice" / "models" / "tiny" / graph / version / name
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.chmod(0o644)
    file.write_bytes(bytes(data))


def look(application: Application, clock: Ticking) -> None:
    """Let the time between two looks pass, look, and wait for the thread that loads."""
    clock.now += 1.0
    application.live()
    for thread in threading.enumerate():
        if thread.name == "sluice-reload":
            thread.join(10)


@pytest.fixture
def clock() -> Ticking:
    return Ticking()


@pytest.fixture
def open_ticking(shop: Tiny, clock: Ticking) -> Callable[[], Application]:
    return lambda: shop.open("binary", _clock=clock)


def test_a_moved_alias_is_picked_up_while_it_serves(
    shop: Tiny, clock: Ticking, open_ticking: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with shop.service("binary", open_ticking()) as service:
        application = service.application
        before = application.live()
        assert service.predict(ORDER) == service.predict(ORDER, version="2")
        shop.models.promote("binary", "1")
        clock.now += 0.9
        assert application.live() is before
        with caplog.at_level(logging.INFO, "sluice"):
            look(application, clock)
        assert application.live().champion.number == "1"
        assert [r.getMessage() for r in caplog.records] == [
            "binary: {'champion': '1'} serve now, {'champion': '2'} did"
        ]
        assert service.predict(ORDER) == service.predict(ORDER, version="1")
        with pytest.raises(NotFound, match="no live version '2'"):
            service.predict(ORDER, version="2")
        shop.models.rollback("binary")
        look(application, clock)
        assert application.live().champion.number == "2"


@pytest.mark.parametrize(
    "name", ["model.onnx", "transform.json", "manifest.json", "manifest.sha256", "replay.json"]
)
def test_a_tampered_new_champion_is_refused_while_the_old_one_serves(
    shop: Tiny, clock: Ticking, open_ticking: Any, name: str
) -> None:
    application = open_ticking()
    with shop.service("binary", application) as service:
        expected = service.predict(ORDERS)
        shop.models.promote("binary", "1")
        flip(shop, "binary", "1", name)
        look(application, clock)
        assert application.live().champion.number == "2"
        assert service.predict(ORDERS) == expected
        body = Surface(service).answer(raw(b"", "/v2/health/ready", "GET")).body.decode()
        assert '"ready":true' in body
        assert name in body
        shop.models.rollback("binary")
        look(application, clock)
        assert application.refusal is None


def test_a_store_that_cannot_be_looked_at_leaves_the_versions_in_place(
    shop: Tiny, clock: Ticking, open_ticking: Any
) -> None:
    application = open_ticking()
    live = application.live()

    class Failing:
        def aliases_token(self, graph: str) -> Any:
            raise OSError("the disk is gone")

    store = application.models
    application.models = Failing()
    look(application, clock)
    assert application.live() is live
    assert application.refusal == "OSError; the log has the reason"
    application.models = store
    look(application, clock)
    assert application.refusal is None
    assert application.live().aliases == live.aliases


@pytest.mark.parametrize("name", ["model.onnx", "transform.json", "manifest.json"])
def test_a_tampered_challenger_is_left_out_at_the_start(shop: Tiny, name: str) -> None:
    shop.models.promote("binary", "1", "challenger")
    flip(shop, "binary", "1", name)
    with shop.service("binary") as service:
        live = service.application.live()
        assert live.aliases == {"champion": "2"}
        assert name in live.refused["challenger"]
        assert "probability" in service.predict(ORDER)
        with pytest.raises(NotFound, match=f"challenger is refused: .*{name}"):
            service.predict(ORDER, version="challenger")


def test_a_challenger_whose_folder_is_gone_is_left_out(shop: Tiny) -> None:
    shop.models.promote("binary", "1", "challenger")
    folder = shop.root / ".sluice" / "models" / "tiny" / "binary" / "1"
    folder.rename(folder.parent.parent / "elsewhere")
    live = shop.open("binary").live()
    assert live.aliases == {"champion": "2"}
    assert "no version '1'" in live.refused["challenger"]


@pytest.mark.parametrize("name", ["model.onnx", "transform.json", "golden.json"])
def test_a_tampered_champion_is_refused_at_the_start(shop: Tiny, name: str) -> None:
    flip(shop, "binary", "2", name)
    with pytest.raises(VersionRefused, match=f"binary version 2: {name}: was changed"):
        shop.service("binary")


def test_without_a_champion_the_error_says_what_to_do(shop: Tiny, tmp_path: Path) -> None:
    (shop.root / ".sluice" / "models" / "tiny" / "binary" / "aliases.json").unlink()
    with pytest.raises(NotFound, match="binary has no champion yet: train one"):
        shop.service("binary")


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("default: 10", "default: 11", "weather.temp has changed: default was 10.0, is 11.0"),
        ("max_age: 6h", "max_age: 5h", "max_age_s was 21600.0, is 18000.0"),
        ("delay: 1h", "delay: 2h", "weather.temp has changed: delay_s was 3600.0, is 7200.0"),
        ("default: 1}", "default: 2}", "visits has changed: default was 1.0, is 2.0"),
        ("visits: {type: integer", "visits: {type: number", "visits has changed: type was 'int"),
        ("      size: {type: number}", "      bulk: {type: number}", "place.size is not declared"),
    ],
)
def test_a_column_declared_otherwise_than_at_training_is_refused(
    shop: Tiny, old: str, new: str, problem: str
) -> None:
    shop.edit("features.yaml", old, new)
    with pytest.raises(VersionRefused, match=problem) as error:
        shop.service("binary")
    assert "binary version 2: features.yaml: " in str(error.value)


def test_a_column_that_no_live_version_uses_may_change(shop: Tiny) -> None:
    shop.models.promote("binary", "1")
    shop.edit("features.yaml", "default: 10", "default: 11")
    with shop.service("binary") as service:
        assert "probability" in service.predict(ORDER)


def alone(tiny: Tiny, folder: Path, version: str) -> list[dict[str, Any]]:
    """What a version answers when no other is live."""
    single = tiny.copy(folder / f"alone-{version}")
    single.models.promote("binary", version)
    with single.service("binary") as service:
        outputs: list[dict[str, Any]] = service.predict(ORDERS)
    return outputs


def test_two_versions_answer_side_by_side_what_each_does_alone(shop: Tiny, tmp_path: Path) -> None:
    expected = {"1": alone(shop, tmp_path, "1"), "2": alone(shop, tmp_path, "2")}
    assert expected["1"] != expected["2"]
    shop.models.promote("binary", "1", "challenger")
    file = shop.root / "graphs" / "binary" / "graph.yaml"
    text = file.read_text("utf-8")
    for alias, other, number in (("champion", "challenger", "2"), ("challenger", "champion", "1")):
        policy = f"{{policy: weights, versions: {{{alias}: 1, {other}: 0}}}}"
        file.write_text(text.replace("{policy: champion}", policy), "utf-8")
        with shop.service("binary") as service:
            assert service.predict(ORDERS) == expected[number]
            assert len(service.application.live().transforms) == 2
    policy = "{policy: weights, versions: {champion: 1, challenger: 1}, key: city}"
    file.write_text(text.replace("{policy: champion}", policy), "utf-8")
    with shop.service("binary") as service:
        mixed = service.predict(ORDERS)
    assert {o["version"] for o in mixed} == {"1", "2"}
    for index, made in enumerate(mixed):
        number = made.pop("version")
        assert made.pop("route")["policy"] == "weights"
        assert made == expected[number][index]


def test_an_unknown_category_is_told_of_the_version_that_does_not_know_it(
    shop: Tiny, tmp_path: Path
) -> None:
    data = shop.dataset("binary")
    aden = [i for i, record in enumerate(data.records) if record["city"] != "Cork"]
    narrow = shop.fit("binary", data.rows(aden))["trees"]
    shop.models.promote("binary", shop.log("binary", narrow), "challenger")
    with shop.service("binary") as service:
        known = service.predict({**ORDER, "city": "Cork"}, version="champion")
        unknown = service.predict({**ORDER, "city": "Cork"}, version="challenger")
    assert "city" not in known.get("defaults", {})
    assert unknown["defaults"]["city"] == "unknown"


def test_a_service_is_what_it_was_opened_with(tiny: Tiny) -> None:
    application = tiny.open("binary")
    with Service.open(tiny.project, "binary", application=application) as service:
        assert service.application is application
        assert service.name == "binary"


def test_features_of_another_declaration_stop_what_was_loaded_for_the_old(
    shop: Tiny, clock: Ticking, open_ticking: Any
) -> None:
    application = open_ticking()
    assert application.live().champion
    shop.edit("features.yaml", "      sky: {type: string}", "      sky: {type: number}")
    changed = read_definitions(shop.root / "features.yaml", shop.root)
    layout = layout_of(changed, "weather")
    application.features.publish(layout)
    clock.now += 1.0
    with pytest.raises(Unavailable, match=r"another features\.yaml: restart"):
        application.live()


def test_an_idle_server_follows_the_aliases(shop: Tiny) -> None:
    application = shop.open("binary", _refresh=0.01)
    before = application.live().champion.number
    application.watch()
    shop.models.promote("binary", "1" if before != "1" else "2")
    end = time.monotonic() + 20
    while application._live is None or application._live.champion.number == before:
        assert time.monotonic() < end, "the alias was not followed"
        time.sleep(0.02)
    application.close()


def test_once_a_thread_looks_no_request_does(shop: Tiny, clock: Ticking, open_ticking: Any) -> None:
    """A look at aliases in S3 is a request to it."""
    application = open_ticking()
    application._refresh = 3600.0
    live = application.live()
    application.watch()
    application.models = None  # a look would fail, and be told
    for _ in range(3):
        clock.now += 3600.0
        assert application.live() is live
    assert application.refusal is None
    application.close()


def test_a_defect_in_a_look_is_told_and_the_next_one_clears_it(
    shop: Tiny, clock: Ticking, open_ticking: Any
) -> None:
    application = open_ticking()
    live, store = application.live(), application.models
    application.models = None
    look(application, clock)
    assert application.live() is live
    assert application.refusal == "AttributeError; the log has the reason"
    application.models = store
    look(application, clock)
    assert application.refusal is None


def test_events_go_to_any_stream_and_to_nothing_else(tiny: Tiny) -> None:
    def opened(events: str) -> Application:
        settings = dataclasses.replace(tiny.project.settings, events=events, monitoring=True)
        project = dataclasses.replace(tiny.project, settings=settings)
        return Application.open(project, tiny.parameters("binary"))

    opened("kafka://127.0.0.1:1").close()  # it is not asked before there is an event
    with pytest.raises(DeclarationError, match="unknown scheme 'pulsar'"):
        opened("pulsar://there")
