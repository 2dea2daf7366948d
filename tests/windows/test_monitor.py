"""The monitor: what is counted of events and labels, whatever comes in whatever order."""

from __future__ import annotations

import itertools
import json
import math
import random
from contextlib import closing
from typing import Any

import pytest

from sluice.environment import acquire, release
from sluice.errors import DeclarationError, NotFound
from sluice.forget.answers import Answers
from sluice.forget.subject import Subject
from sluice.models.manifest import Draft
from sluice.monitoring.redaction import Redaction
from sluice.streams import Message
from sluice.windows.open import folder
from sluice.windows.state import KIND, items, state_file
from sluice.windows.window import merged
from tests.streaming.shop import read
from tests.streams.fakes import FakeClock
from tests.tiny import ORDER, Tiny
from tests.windows.world import BEGAN, DAY, World, ask, observation


def shown(world: World) -> Any:
    """All that there is in the windows, for comparing."""
    with world.windows() as windows:
        return [
            (w.start, w.version, w.segment, w.cell.sums, {n: c.tolist() for n, c in counts})
            for s in ["", *windows.segments()]
            for w in [*windows.hours(segment=s), *windows.days(segment=s)]
            for counts in [sorted((n, c) for n, c in w.cell.counts.items() if c.any())]
        ]


def test_one_request_in_its_window(shop: Tiny) -> None:
    world = World(shop, "binary")
    world.produce(world.topic, world.events([observation("a", BEGAN + 3700)]))
    world.work()
    with world.windows() as windows:
        [window] = windows.hours()
        assert (window.start, window.end, window.version) == (BEGAN + 3600, BEGAN + 7200, "2")
        assert (window.requests, window.records, window.refused) == (1, 1, 0)
        assert window.latency(50) == pytest.approx(0.0015, rel=0.09)
        assert window.steps == ["enrich", "model"]
        assert window.step("model", 99) == pytest.approx(900e-6, rel=0.09)
        assert window.age("weather", 50) == pytest.approx(3600, rel=0.19)
        assert window.routes == {("champion", "champion"): 1}
        assert {name: int(c.sum()) for name, c in window.features.items()} == {
            "city": 1, "amount": 1, "visits": 1, "member": 1, "time": 1
        }  # fmt: skip
        assert [c.sum() for c in window.scores] == [1]
        assert (window.labels, math.isnan(window.log_loss)) == (0, True)
        assert windows.segments() == ["city=Bonn"]
        assert windows.hours(segment="city=Bonn")[0].requests == 1
        assert windows.hours(version="1") == []
        assert windows.versions() == ["2"]
        assert windows.counters() == {"events": 1}


def test_labels_in_any_order_twice_and_corrected(shop: Tiny) -> None:
    """Whatever comes first, the last label counts; all orders of their coming give the same."""
    world = World(shop, "binary")
    event = world.events([observation("a", BEGAN)])
    found = []
    for order in itertools.permutations(range(3)):
        first, last = world.label("a", 0, BEGAN + 60), world.label("a", 1, BEGAN + 120)
        things = [(world.topic, event[0]), (world.feedback, first), (world.feedback, last)]
        if order.index(1) > order.index(2):
            continue  # the two labels are in one partition, in the order of their writing
        state = state_file(folder(world.project), "binary")
        for file in (state, state.with_name(f"{state.name}-lock")):
            file.unlink(missing_ok=True)
        for file in (shop.root / ".sluice").glob("events.log*"):
            file.unlink()
        for place in order:
            world.produce(things[place][0], [things[place][1]])
            world.work()
        found.append(shown(world))
        assert world.counters() == {
            "events": 1, "feedback": 2, "labels_joined": 1, "labels_corrected": 1
        }  # fmt: skip
    assert len(found) == 3
    assert found[0] == found[1] == found[2]
    with world.windows() as windows:
        [window] = windows.hours()
        assert (window.labels, window.accuracy, window.observed) == (1, 0.0, 1.0)
        assert window.log_loss == pytest.approx(-math.log(0.25))
        assert window.brier == pytest.approx(0.75**2)


def test_labels_that_come_again_late_or_are_of_nobody(shop: Tiny) -> None:
    world = World(shop, "binary")
    world.produce(world.topic, world.events([observation(i, BEGAN) for i in "abcd"]))
    world.produce(world.feedback, [
        world.label("a", 1, BEGAN + 60), world.label("a", 1, BEGAN + 61),
        world.label("b", 1, BEGAN + 2 * DAY + 1),
        world.label("c", "perhaps", BEGAN + 60),
        world.label("nobody", 1, BEGAN + 60), world.label("d", 1, BEGAN + 60, record=7),
        Message(json.dumps({"format": 1, "id": "d", "record": 0, "reward": 1.0,
                            "when": "2024-01-01T00:01:00Z",
                            "received": "2024-01-01T00:01:00Z"}).encode(), "d"),
    ])  # fmt: skip
    world.work()
    expected = {"events": 4, "feedback": 7, "rewards": 1, "labels_joined": 1,
                "labels_repeated": 1, "labels_late": 1, "labels_refused": 1}  # fmt: skip
    assert world.counters() == expected
    world.produce(world.topic, world.events([observation("e", BEGAN + 30 * DAY)]))
    world.work()
    assert world.counters() == {**expected, "events": 5, "labels_unknown": 2}
    world.produce(world.feedback, [world.label("a", 0, BEGAN + 90)])  # it is forgotten
    world.work()
    with world.windows() as windows:
        assert [w.labels for w in windows.days()] == [1, 0]


def test_a_label_beyond_all_numbers_or_times_is_a_dead_letter(shop: Tiny) -> None:
    """In the count it would end the monitor, again and again."""
    world = World(shop, "regression")
    one = {"graph": "regression", "version": "1", "outputs": [{"prediction": 250.0}]}
    world.produce(world.topic, world.events([observation(id, BEGAN, **one) for id in "abc"]))
    early = world.label("b", 240.0, BEGAN).value.replace(
        b"2024-01-01T00:00:00Z", b"0001-01-01T00:00:00"
    )
    labels = [world.label("a", 10**400, BEGAN + 60), Message(early, "b")]
    world.produce(world.feedback, [*labels, world.label("c", 240.0, BEGAN + 60)])
    world.work()
    expected = {"events": 3, "feedback": 1, "labels_joined": 1, "dead_letters": 2}
    assert world.counters() == expected


def test_what_comes_again_is_left(shop: Tiny) -> None:
    world = World(shop, "binary")
    twice = [observation("a", BEGAN, records=[ORDER, ORDER], outputs=[{"probability": 0.5}] * 2),
             observation("b", BEGAN, version=None, error=(500, "no"), outputs=())]  # fmt: skip
    world.produce(world.topic, world.events([*twice, *twice]))
    world.produce(world.topic, world.events([*twice, observation("a", BEGAN + 1)]))
    world.work(batch=3)
    with world.windows() as windows:
        by_version = {w.version: w for w in windows.hours()}
    assert (by_version["2"].requests, by_version["2"].records) == (2, 3)
    assert (by_version[""].requests, by_version[""].refused) == (1, 1)
    assert by_version[""].statuses == {"500": 1}
    assert world.counters()["repeated_records"] == 6


@pytest.mark.parametrize("batch", [1, 5000])
def test_of_answers_with_one_id_the_newest_gets_the_label(shop: Tiny, batch: int) -> None:
    """However many are read at once, and whichever of them look alike."""
    world = World(shop, "binary")
    seen = [("b", 0, "2"), ("a", 1, "1"), ("a", 2, "2")]
    events = [observation(id, BEGAN + after, version=number) for id, after, number in seen]
    world.produce(world.topic, world.events(events))
    world.work(batch=batch)
    world.produce(world.feedback, [world.label("a", 1, BEGAN + 60)])
    world.work()
    with world.windows() as windows:
        assert {w.version: w.labels for w in windows.hours()} == {"1": 0, "2": 1}


def test_a_label_that_waits_for_an_id_is_of_one_answer(shop: Tiny) -> None:
    world = World(shop, "binary")
    world.produce(world.feedback, [world.label("a", 1, BEGAN + 60)])
    world.work()
    twice = [observation("a", BEGAN + after, version=number) for after, number in enumerate("12")]
    world.produce(world.topic, world.events(twice))
    world.work()
    assert world.counters()["labels_joined"] == 1
    with world.windows() as windows:
        assert {w.version: w.labels for w in windows.hours()} == {"1": 0, "2": 1}


def test_what_cannot_be_read_is_a_dead_letter_and_the_rest_counts(shop: Tiny) -> None:
    world = World(shop, "binary")
    [good] = world.events([observation("a", BEGAN)])
    bad: list[bytes] = [
        b"{", b"[]", b"{}",
        good.value.replace(b'"format":1', b'"format":9'),
        good.value.replace(b'"sluice":{"format":1', b'"sluice":{"format":7,"route":3'),
        good.value.replace(b'"probability","label"', b'"probability"'),
        good.value.replace(b"[[0.25,0]]", b'[["much",0]]'),
        good.value.replace(b"[[0.25,0]]", b"[]"),
        good.value.replace(b"2024-01-01", b"1924-01-01"),
        good.value.replace(b'"route":{', b'"route":["a"],"routed":{'),
        good.value.replace(b'"errors":{}', b'"errors":{"9":"no"}'),
        good.value.replace(b'"errors":{}', b'"errors":{},"ids":["a","b"]'),
        good.value.replace(b'"defaults":{}', b'"defaults":[]'),
        good.value.replace(b'"defaults":{}', b'"defaults":{"amount":{"null":"many"}}'),
        good.value.replace(b'"defaults":{}', b'"defaults":{"amount":{"null":99999999999999}}'),
    ]  # fmt: skip
    assert len(set(bad)) == len(bad) == len({*bad, good.value}) - 1
    values = [good.value, *bad, world.events([observation("b", BEGAN)])[0].value]
    world.produce(world.topic, [Message(value, f"k{i}") for i, value in enumerate(values)])
    newer = world.label("a", 1, BEGAN).value.replace(b'"format": 1', b'"format": 2')
    world.produce(world.feedback, [Message(b"{", "x"), Message(newer, "y")])
    world.work()
    assert world.counters() == {"events": 2, "dead_letters": len(bad) + 2}
    letters = read(world.stream(FakeClock()), "tiny.binary.events.dead-letters")
    reasons = {letter.value: letter.headers["sluice-reason"] for letter in letters}
    assert len(reasons) == len(bad) + 1  # two are b"{"
    assert reasons[bad[3]] == "ValueError: an event of format 9: this Sluice reads 1, upgrade it"
    assert "format 7" in reasons[bad[4]]
    with world.windows() as windows:
        assert [w.requests for w in windows.hours()] == [2]


def test_events_of_many_requests_count_each_record(shop: Tiny) -> None:
    """As tables send them: ids, times and choices by row."""
    world = World(shop, "binary")
    records = [{**ORDER, "city": city} for city in ("Bonn", "Bonn", "Aden", None, "Rome")]
    value = json.loads(
        world.events(
            [
                observation(
                    "t", BEGAN, version="mixed", records=records, duration_us=5000,
                    outputs=[{"probability": p} for p in (0.1, 0.2, 0.3, 0.4, None)],
                    defaults={"weather.temp": {"missing": 3, "stale": 1}}, ages={},
                )
            ]
        )[0].value
    )  # fmt: skip
    value["sluice"] |= {
        "ids": ["r0", "r1", "r2", "r3", "r4"],
        "when": [BEGAN, BEGAN + 1, BEGAN + 3600, BEGAN + 3600, BEGAN + 3601],
        "routes": {
            "words": [
                {"version": "1", "policy": "weights", "name": "champion"},
                {"version": "2", "policy": "weights", "name": "challenger"},
            ],
            "codes": [0, 1, 1, 1, -1],
        },
        "errors": {"4": "city: is not known"},
    }
    world.produce(world.topic, [Message(json.dumps(value).encode(), "t")])
    world.produce(world.feedback, [world.label("r1", 0, BEGAN + 9)])
    world.work()
    with world.windows() as windows:
        found = {(w.start - BEGAN, w.version): (w.requests, w.records, w.refused, w.labels)
                 for w in windows.hours()}  # fmt: skip
        assert found == {
            (0, "1"): (1, 1, 0, 0), (0, "2"): (1, 1, 0, 1), (0, "mixed"): (0, 0, 0, 0),
            (3600, "2"): (2, 2, 0, 0), (3600, ""): (1, 0, 1, 0),
        }  # fmt: skip
        [mixed] = windows.hours(version="mixed")
        assert mixed.latency(50) == pytest.approx(0.001, rel=0.09)  # each record's share
        assert mixed.defaults == {"weather.temp": {"missing": 3, "stale": 1}}
        assert windows.segments() == ["city=Aden", "city=Bonn", "city=null", "city=other"]
        day = merged(windows.days())
        assert (day.requests, day.records, day.features) == (5, 4, {})
        assert day.routes == {("weights", "champion"): 1, ("weights", "challenger"): 3}
        assert [w.records for w in windows.days(segment="city=Bonn", version="2")] == [1]


def test_a_list_counts_once_and_its_records_each(shop: Tiny) -> None:
    world = World(shop, "binary")
    bonn, aden = ORDER, {**ORDER, "city": "Aden"}
    with world.service() as service:
        outputs = ask(service, "a", BEGAN, bonn, aden, {**bonn, "amount": "much"}, bonn)
    assert "error" in outputs[2]
    world.tell([{"id": "a", "record": 3, "label": 1, "when": "2024-01-01T01:00:00Z"}], BEGAN + 3600)
    world.work()
    with world.windows() as windows:
        [whole] = windows.hours()
        assert (whole.requests, whole.records, whole.refused, whole.labels) == (1, 3, 1, 1)
        assert whole.log_loss == pytest.approx(-math.log(outputs[3]["probability"]))
        [aden_] = windows.hours(segment="city=Aden")
        assert (aden_.requests, aden_.records, aden_.labels) == (1, 1, 0)
        [bonn_] = windows.hours(segment="city=Bonn")
        assert (bonn_.requests, bonn_.records, bonn_.refused, bonn_.labels) == (1, 2, 1, 1)


def test_windows_become_days_and_days_go(shop: Tiny) -> None:
    """What is rolled up adds up to the same, whatever came before and after."""
    whole = World(shop.copy(shop.root.parent / "whole"), "binary", "monitor: {horizon: 5d}")
    rolled = World(shop, "binary", "monitor: {keep: {windows: 1d, days: 400d}, horizon: 5d}")
    chance = random.Random(3)
    for first in range(0, 8):
        whens = [BEGAN + (first + chance.random()) * DAY for _ in range(20)]
        seen = [observation(f"{first}-{i}", when) for i, when in enumerate(whens)]
        late = [rolled.label(f"{d}-{i}", i % 2, BEGAN + first * DAY)
                for d in (first - 2, first - 4) if d >= 0 for i in range(d % 3, 20, 3)]  # fmt: skip
        for world in (rolled, whole):
            world.produce(world.topic, world.events(seen))
            world.produce(world.feedback, late)
            world.work()
    with rolled.windows() as short, whole.windows() as long:
        assert len(short.hours()) < len(long.hours()) / 2
        days, expected = short.days(), long.days()
        assert [w.labels for w in days] == [w.labels for w in expected]
        assert len(days) == 8
        for day, other in zip(days, expected, strict=True):
            assert day.cell.sums == other.cell.sums
            assert day.cell.counts.keys() == other.cell.counts.keys()
            for name, counts in day.cell.counts.items():
                assert counts.tolist() == other.cell.counts[name].tolist()
        assert [d.start for d in short.days(BEGAN + 1, BEGAN + 3 * DAY)] == [
            BEGAN + DAY,
            BEGAN + 2 * DAY,
        ]
    rolled.produce(rolled.topic, rolled.events([observation("z", BEGAN + 406 * DAY)]))
    rolled.work()
    with rolled.windows() as short:
        assert [(d.start - BEGAN) / DAY for d in short.days()] == [6, 7, 406]


def test_order_of_reading_does_not_matter(shop: Tiny) -> None:
    """The same records on the topics, read a few at a time or all at once, from any topic first."""
    declared = "monitor: {segments: [city], horizon: 4d}"
    other = World(shop.copy(shop.root.parent / "b"), "binary", declared)
    one = World(shop, "binary", declared)
    chance = random.Random(5)
    seen = [observation(f"r{i}", BEGAN + i * 600.0, records=[{**ORDER, "amount": i % 90}],
                        outputs=[{"probability": i % 7 / 7}]) for i in range(400)]  # fmt: skip
    labels = [one.label(f"r{i}", chance.randint(0, 1), BEGAN + i * 600.0 + 60) for i in range(400)]
    for first in range(0, 400, 50):
        one.produce(one.topic, one.events(seen[first : first + 50]))
        one.produce(one.feedback, labels[first : first + 50])
        one.work(batch=7)
    other.produce(other.feedback, labels)
    other.work()
    other.produce(other.topic, other.events(seen))
    other.work()
    assert shown(one) == shown(other)
    with one.windows() as windows:
        assert sum(w.labels for w in windows.days()) == 400


def test_what_a_correction_moved_is_dropped_with_its_answer(shop: Tiny) -> None:
    world = World(shop, "binary", "monitor: {horizon: 2d}")
    told = {"from": 0.5, "version": 1, "at": BEGAN, "frozen": False}
    outputs = [
        [{"probability": 0.25, "correction": told}],
        [{"probability": 0.5, "correction": told}],
    ]
    world.produce(world.topic, world.events(
        [observation(f"r{i}", BEGAN + i, outputs=o) for i, o in enumerate(outputs)]))  # fmt: skip
    world.work()
    assert kept(world, b"b") == 1  # the other was not moved
    world.produce(world.feedback, [world.label("r0", 1, BEGAN + 60)])
    world.work()
    with world.windows() as windows:
        [window] = windows.hours()
        assert (window.predicted, window.unmoved().predicted) == (0.25, 0.5)
    world.produce(world.topic, world.events([observation("late", BEGAN + 9 * DAY)]))
    world.work()
    assert (kept(world, b"a"), kept(world, b"b")) == (1, 0)


def test_what_is_kept_of_a_subject_goes_with_it(shop: Tiny) -> None:
    """Its answers, what they were before a correction, and labels that wait for theirs."""
    world = World(shop, "binary", "monitor: {horizon: 2d}")
    moved = {"from": 0.5, "version": 1, "at": BEGAN, "frozen": False}
    seen = [
        observation(id, BEGAN, outputs=[{"probability": 0.25, "correction": moved}])
        for id in ("hers", "his")
    ]
    world.produce(world.topic, world.events(seen))
    world.produce(world.feedback, [world.label(id, 1, BEGAN) for id in ("hers-too", "his-too")])
    world.work()
    subject = Subject({"email": "ann@example.org"}, Redaction())
    subject.note("hers")
    subject.note("hers-too")
    with closing(Answers(state_file(folder(world.project), "binary"))) as place:
        assert sum(seen.found for seen in place.look(subject, delete=True)) == 4
        assert sum(seen.found for seen in place.look(subject, delete=False)) == 0
    assert [kept(world, kind) for kind in (b"a", b"b", b"l", b"x")] == [1, 1, 1, 1]


def kept(world: World, kind: bytes) -> int:
    """How many names of a kind there are in the monitor's file."""
    environment = acquire(state_file(folder(world.project), "binary"), KIND)
    try:
        return environment.read(lambda txn: len(list(items(txn, kind))))
    finally:
        release(environment)


def test_a_reference_of_a_newer_format_is_named_and_labels_count(
    shop: Tiny, caplog: pytest.LogCaptureFixture
) -> None:
    stored = shop.models.read("binary", "2")
    newer = {**json.loads(stored.files["reference.json"]), "format": 9}
    files = {"reference.json": json.dumps(newer).encode()}
    draft = Draft(**{f: getattr(stored.manifest, f) for f in Draft.__struct_fields__})
    number = shop.models.log("binary", draft, {**stored.files, **files})
    world = World(shop, "binary")
    world.produce(world.topic, world.events([observation("a", BEGAN, version=number)]))
    world.produce(world.feedback, [world.label("a", 1, BEGAN + 60)])
    world.work()
    with world.windows() as windows:
        [window] = windows.hours()
        assert (window.records, window.labels, window.features) == (1, 1, {})
    assert f"binary version {number}: reference.json: is of format 9" in caplog.text


def test_features_that_an_event_tells_are_counted(shop: Tiny) -> None:
    """Looked-up features, where the event's block has them."""
    world = World(shop, "binary")
    value = json.loads(world.events([observation("a", BEGAN)])[0].value)
    value["sluice"]["features"] = {
        "schema": ["weather.temp", "weather.sky"],
        "rows": [[9.5, "rain"]],
    }
    world.produce(world.topic, [Message(json.dumps(value).encode(), "a")])
    world.produce(world.topic, world.events([observation("b", BEGAN)]))
    world.work()
    with world.windows() as windows:
        [window] = windows.hours()
        counts = {name: int(c.sum()) for name, c in window.features.items()}
    assert {n: c for n, c in counts.items() if "weather" in n} == {
        "weather.temp": 1, "weather.sky": 1
    }  # fmt: skip
    assert counts["city"] == 2


def test_what_never_ran_has_no_windows(shop: Tiny) -> None:
    with pytest.raises(NotFound, match="sluice monitor binary"):
        World(shop, "binary").windows()


def test_windows_of_another_length_are_refused(shop: Tiny) -> None:
    world = World(shop, "binary")
    world.work()
    shop.edit("graphs/binary/graph.yaml", "horizon: 2d", "horizon: 2d, window: 15m")
    with pytest.raises(DeclarationError, match="900 s are declared, and 3600 s were counted"):
        world.work()


def test_a_segment_by_no_field_is_refused(shop: Tiny) -> None:
    world = World(shop, "binary", "monitor: {segments: [town]}")
    with pytest.raises(DeclarationError, match="no field 'town' in a record"):
        world.work()


def test_defaults_of_a_segment_do_not_depend_on_what_is_read_together(shop: Tiny) -> None:
    """Those of an event count in a segment where all of its records are."""
    bonn, aden = ORDER, {**ORDER, "city": "Aden"}
    other = World(shop.copy(shop.root.parent / "b"), "binary")
    world = World(shop, "binary")
    cases = {"a": [bonn], "b": [bonn, bonn], "c": [bonn, aden], "d": [aden]}
    seen = [
        observation(id, BEGAN, records=records, outputs=[{"probability": 0.5}] * len(records),
                    defaults={"weather.temp": {"stale": len(records)}})
        for id, records in cases.items()
    ]  # fmt: skip
    for one, batch in ((world, 100), (other, 1)):
        one.produce(one.topic, one.events(seen))
        one.work(batch=batch)
    assert shown(world) == shown(other)
    with world.windows() as windows:
        by_segment = {s: windows.hours(segment=s)[0].defaults for s in ["", *windows.segments()]}
    assert {s: found["weather.temp"]["stale"] for s, found in by_segment.items()} == {
        "": 6, "city=Bonn": 3, "city=Aden": 1
    }  # fmt: skip
