"""A planted defect of each kind is found and named, in time; no change raises nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from tests.alerts.stream import HOUR, PLANTED, Plant, Played, imagined, play, seen
from tests.tiny import Tiny
from tests.windows.world import BEGAN, DAY

BEFORE = BEGAN + PLANTED * DAY


def _shift(played: Played) -> None:
    played.table["number3"][played.after] += 0.75 * 4  # of its standard deviation


def _unit(played: Played) -> None:
    table = played.table
    table["temperature"] = np.where(
        played.after, table["temperature"] * 1.8 + 32, table["temperature"]
    )


def _category(played: Played) -> None:
    new = played.after & (played.rng.random(played.events) < 0.2)
    played.table["carrier"] = np.where(new, "WN", played.table["carrier"])


def _store(played: Played) -> None:
    played.missing |= played.after


def _slow(played: Played) -> None:
    played.steps["enrich"] = np.where(
        played.after, played.steps["enrich"] + 20_000, played.steps["enrich"]
    )


def _flip(played: Played) -> None:
    played.labels = np.where(played.after, 1 - played.labels, played.labels)


def _errors(played: Played) -> None:
    played.failed |= played.after & (played.rng.random(played.events) < 0.2)


@pytest.mark.parametrize(
    ("plants", "expected", "within"),
    [
        (
            (_shift, _unit, _category),
            {
                ("drift", "number3"): "the mean moved up",
                ("drift", "temperature"): "the mean moved up",
                ("drift", "carrier"): "unknown categories: 0.0% → ",
            },
            DAY,
        ),
        (
            (_store, _slow),
            {
                ("defaults", "weather.temp"): "defaults in ",
                ("latency", "enrich"): "p95 of enrich rose from ",
                ("latency", "requests"): "p95 of requests rose from ",
            },
            17 * HOUR,  # 200 requests, of 300 a day
        ),
        ((_flip,), {("turned", "auc"): "the wrong way round"}, DAY),
        ((_errors,), {("errors", "requests"): " × 500"}, 17 * HOUR),
    ],
)
def test_a_planted_defect_is_found_and_named(
    shop: Tiny, plants: Sequence[Plant], expected: Mapping[tuple[str, str], str], within: float
) -> None:
    world, played = imagined(shop), Played()
    for plant in plants:
        plant(played)
    play(world, played)
    found = {(i.condition, i.subject): i for i in seen(world)}
    assert set(found) == set(expected)
    for place, incident in found.items():
        assert expected[place] in incident.why
        assert incident.closed is None
        assert incident.opened <= BEFORE + within
        assert incident.since >= BEFORE - within
        assert incident.told == incident.opened


def test_no_change_raises_nothing(shop: Tiny) -> None:
    world, played = imagined(shop), Played(seed=3)
    play(world, played)
    assert seen(world) == []
