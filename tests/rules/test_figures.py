"""Figures of lists in events and metrics; explanations that are asked for wrongly."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sluice.errors import RequestError
from sluice.message import Message
from sluice.metrics import Registry, render
from sluice.monitoring.event import EventBuilder, Observation, Source
from sluice.protocol.meter import Meter
from sluice.rules.figures import GROUPS, OTHER, mean_figures

STEPS: list[list[tuple[str, dict[str, Any]]]] = [
    [("model", {"diversity": 0.5, "age": 4.0, "groups": {"a": 1.0}}), ("mmr", {"diversity": 0.9})],
    [("model", {"diversity": 0.7, "age": None, "groups": {"b": 1.0}}), ("mmr", {})],
]


def test_means_are_over_the_lists_that_have_a_figure() -> None:
    assert mean_figures(STEPS) == [
        {
            "rule": "model", "lists": 2, "diversity": pytest.approx(0.6), "age": 4.0,
            "groups": {"a": 0.5, "b": 0.5},
        },
        {"rule": "mmr", "lists": 1, "diversity": 0.9},
    ]  # fmt: skip


def test_groups_are_bounded() -> None:
    groups = {f"group {i:03}": (1 + i) / 5050 for i in range(100)}
    [one] = mean_figures([[("model", {"groups": groups})]])
    assert len(one["groups"]) == GROUPS + 1
    assert one["groups"][OTHER] == pytest.approx(sum(range(1, 81)) / 5050)


def test_prometheus_has_sums_and_counts(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    nobody = SimpleNamespace(
        graph="films", emitter=None, shadow=None, telemetry=None, threads=lambda: ()
    )
    meter = Meter(registry, cast("Any", nobody))
    message = Message([{}, {}])
    message.figures = dict(enumerate(STEPS))
    meter.predicted([(message, {"outputs": [], "version": "1", "stalest": None})])
    page = render(tmp_path).decode()
    assert 'sluice_lists_total{graph="films",rule="model"} 2.0' in page
    labels = 'figure="diversity",graph="films",group="",rule="model"'
    assert f"sluice_list_figures_total{{{labels}}} 1.2" in page


def test_the_event_has_figures_and_no_explanation() -> None:
    import orjson

    outputs = [{"items": [{"id": 1, "score": 0.5}], "explain": [{"rule": "mmr"}]}]
    seen = Observation("id", "films", "1", 0.0, 9, [{}], outputs, figures=mean_figures(STEPS))
    value = orjson.loads(EventBuilder(Source("project"))(seen).value)
    assert value["sluice"]["lists"][1] == {"rule": "mmr", "lists": 1, "diversity": 0.9}
    assert value["sluice"]["details"] == {"0": {"items": [{"id": 1, "score": 0.5}]}}


def test_explain_is_true_or_false() -> None:
    assert Message.of({"inputs": [{}], "explain": True}).explain
    assert not Message.of({"inputs": [{}]}).explain
    with pytest.raises(RequestError, match="explain: expected true or false"):
        Message.of({"inputs": [{}], "explain": 1})
