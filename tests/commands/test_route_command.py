"""sluice route and sluice stack."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sluice.cli import main
from sluice.errors import SluiceError
from sluice.routing import make_policy
from sluice.routing.ensemble_combine import sigmoid
from sluice.routing.ensemble_stack import fit_stack
from tests.tiny import ORDER, Tiny

RULES = (
    "{policy: rules, default: champion, rules: [{name: bonn, to: challenger, when: "
    "{all: [{field: city, op: ==, value: Bonn}, {header: x-try, op: ==, value: b}]}}]}"
)


@pytest.fixture
def graph(shop: Tiny, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    """The tiny graph with a rule, as the project that the command finds."""
    shop.models.promote("binary", "1", "challenger")
    shop.edit("graphs/binary/graph.yaml", "{policy: champion}", RULES)
    monkeypatch.setenv("SLUICE_PROJECT", str(shop.root))
    monkeypatch.setenv("SLUICE_STATE", str(shop.root / ".sluice"))
    return shop


def test_it_says_which_rule_took_a_record_and_why(
    graph: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    told = ["route", "binary", "--explain", "--record", json.dumps(ORDER)]
    assert main([*told, "--header", "X-Try=b"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "record 0: version 1 by rules challenger, propensity 1: rule bonn",
        "  yes  bonn",
        "       yes  all of",
        "            yes  city == Bonn   (found 'Bonn')",
        "            yes  header x-try == b   (found 'b')",
    ]
    assert main(told) == 0
    assert capsys.readouterr().out.splitlines() == [
        "record 0: version 2 by rules champion, propensity 1: no rule took it",
        "  no   bonn",
        "       no   all of",
        "            yes  city == Bonn   (found 'Bonn')",
        "            no   header x-try == b   (found nothing)",
    ]


def test_a_file_of_records_as_json(
    graph: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "records.json"
    file.write_text(json.dumps([ORDER, {"city": 7}]))
    assert main(["route", "binary", "--json", "--record", str(file)]) == 1
    first, second = json.loads(capsys.readouterr().out)
    assert (first["version"], first["route"]["reason"]) == ("2", "no rule took it")
    assert "city" in second["error"]


def test_without_a_record_it_shows_the_choices(
    graph: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["route", "binary"]) == 0
    out = capsys.readouterr().out
    assert "policy rules" in out
    assert "bonn     1        1           rule bonn" in out


def test_what_is_no_json_is_named(graph: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["route", "binary", "--record", "{"]) == 1
    assert "--record is not JSON" in capsys.readouterr().err


def test_a_stack_is_fitted_and_declared(graph: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["stack", "binary", "--members", "champion", "challenger", "--window"]
    assert main([*command, "rows=400", "seed=5"]) == 0
    told, declared = capsys.readouterr().out.splitlines()
    assert told.startswith("# 400 rows: log loss 0.")
    params = json.loads(declared.removeprefix("class_args: "))
    assert make_policy(params.pop("policy"), params, "router").policy == "ensemble"
    assert main([*command, "row=400"]) == 1
    assert "row" in capsys.readouterr().err


def logits(n: int) -> Any:
    return np.random.default_rng(3).normal(0, 2, (3, n))


def test_a_stack_finds_the_weights_of_its_world() -> None:
    first, second, noise = logits(60_000)
    chance = sigmoid(0.3 + 0.5 * first + 1.5 * second)
    labels = (np.random.default_rng(4).random(len(chance)) < chance).astype(float)
    scores = {"a": sigmoid(first), "b": sigmoid(second), "c": sigmoid(noise)}
    found = fit_stack(scores, labels, classes=True)
    assert found.combine == "logistic"
    assert [found.weights[n] for n in "abc"] == pytest.approx([0.5, 1.5, 0.0], abs=0.05)
    assert found.bias == pytest.approx(0.3, abs=0.05)
    assert found.loss < found.mean_loss
    declared = {"members": found.weights, "combine": found.combine, "bias": found.bias}
    assert make_policy("ensemble", declared, "router").policy == "ensemble"


def test_a_stack_of_numbers() -> None:
    first, second, _ = logits(2000)
    found = fit_stack({"a": first, "b": second}, 2 + 3 * first + 0.5 * second, classes=False)
    assert found.weights == pytest.approx({"a": 3.0, "b": 0.5}, abs=1e-3)
    assert found.bias == pytest.approx(2.0, abs=1e-3)


def test_members_that_say_nothing_make_no_stack() -> None:
    labels = np.tile([0.0, 1.0], 50)
    with pytest.raises(SluiceError, match="the stack has no weights"):
        fit_stack({"a": 0.1 + 0.8 * (1 - labels)}, labels, classes=True)
