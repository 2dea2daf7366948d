"""Rules change outputs as declared, and a bad declaration is named."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from sluice.errors import DeclarationError
from sluice.rules import Row, output_rules

TWO = Row(cast("Any", SimpleNamespace(manifest=SimpleNamespace(classes=["on time", "late"]))), {})


@pytest.mark.parametrize(
    ("at", "probability", "label"),
    [
        (0.35, 0.35, "late"),
        (0.35, 0.3499999, "on time"),
        (0, 0.0, "late"),
        (1, 0.9999, "on time"),
        (1, 1.0, "late"),
    ],
)
def test_threshold_includes_its_bound(at: float, probability: float, label: str) -> None:
    [rule] = output_rules([{"rule": "threshold", "at": at}], "postprocess.class_args")
    output = {"probability": probability, "label": "?"}
    rule.apply(output, TWO)
    assert output == {"probability": probability, "label": label}


@pytest.mark.parametrize(
    "output", [{"prediction": 0.9}, {"probabilities": {"a": 1.0}, "label": "a"}]
)
def test_threshold_leaves_other_outputs(output: dict[str, Any]) -> None:
    [rule] = output_rules([{"rule": "threshold", "at": 0.5}], "x")
    before = dict(output)
    rule.apply(output, TWO)
    assert output == before


def test_rules_keep_their_order() -> None:
    rules = output_rules([{"rule": "threshold", "at": 0.9}, {"rule": "threshold", "at": 0.1}], "x")
    output = {"probability": 0.5, "label": "?"}
    for rule in rules:
        rule.apply(output, TWO)
    assert output["label"] == "late"


@pytest.mark.parametrize(
    ("declared", "problem"),
    [
        ([{"rule": "treshold", "at": 1}], r"rules\[0\]: no rule 'treshold'.*mean 'threshold'"),
        ([{"rule": ["threshold"]}], r"rules\[0\]: no rule"),
        ([{"at": 1}], r"rules\[0\]: expected a mapping with a `rule`"),
        (["threshold"], r"rules\[0\]: expected a mapping"),
        ([{"rule": "threshold"}], "rule threshold: .*at"),
        ([{"rule": "threshold", "at": 1.1}], "at: expected a number from 0 to 1, found 1.1"),
        ([{"rule": "threshold", "at": "0.5"}], "at: expected a number"),
        ([{"rule": "threshold", "at": True}], "at: expected a number"),
        ([{"rule": "threshold", "at": float("nan")}], "at: expected a number"),
        ([{"rule": "threshold", "at": 0.5, "to": 1}], "rule threshold: .*to"),
        ({"rule": "threshold"}, "rules: expected a list, found dict"),
        (None, "rules: expected a list"),
    ],
)
def test_a_bad_declaration_is_named(declared: Any, problem: str) -> None:
    with pytest.raises(DeclarationError, match=problem) as error:
        output_rules(declared, "postprocess.class_args")
    assert "graph.yaml: postprocess.class_args" in str(error.value)
