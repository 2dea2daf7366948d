"""Bad declarations of rules, and rules that conflict, are errors when a graph is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sluice.errors import DeclarationError
from sluice.features.definitions import Definitions
from sluice.rules import list_rules, output_rules
from sluice.rules.lists import Lists
from sluice.rules.make import open_rules
from sluice.schema import Field, Schema
from tests.rules.lists import definitions, plain, rule
from tests.tiny import Tiny

SELLER = {"field": "seller", "op": "==", "value": "x"}
PIN = {"rule": "pin", "values": [1, 2], "at": 2}


@pytest.mark.parametrize(
    ("declared", "problem"),
    [
        ([PIN, {"rule": "deny", "values": [2]}], "pin wants 2, which deny forbids"),
        ([{"rule": "allow", "values": [1]}, PIN], "pin wants 2, which allow does not hold"),
        ([PIN, {"rule": "pin", "values": [9], "at": 3}], "position 3 is pinned to 2 and to 9"),
        ([PIN, {"rule": "pin", "values": [1], "at": 9}], "1 is pinned twice"),
        ([PIN, {"rule": "top_k", "k": 2}], "position 3 is pinned, and the list has 2"),
        (
            [{"rule": "quota", "where": SELLER, "least": 3, "first": 5}, {"rule": "top_k", "k": 2}],
            "quota wants 3 items, and the list has 2 at most",
        ),
        (
            [
                {"rule": "quota", "where": SELLER, "least": 3, "first": 5},
                {"rule": "quota", "where": {**SELLER, "value": "y"}, "least": 3, "first": 5},
            ],
            "quotas by seller want 6 of the first 5",
        ),
        (
            [
                {"rule": "cap", "by": "seller", "most": 2, "first": 5},
                {"rule": "quota", "where": SELLER, "least": 3, "first": 5},
            ],
            "quota wants 3 of seller x, and cap lets 2 in",
        ),
    ],
)
def test_list_rules_that_conflict(declared: list[dict[str, Any]], problem: str) -> None:
    with pytest.raises(DeclarationError, match=problem):
        list_rules(declared, "x")


@pytest.mark.parametrize(
    ("declared", "problem"),
    [
        ({"rule": "threshold", "at": 0.5}, "threshold is for single outputs"),
        ({"rule": "quota", "where": SELLER, "least": 3, "first": 2}, "3 do not fit among"),
        ({"rule": "top_k", "k": 0}, "k: expected a whole number, 1 or more, found 0"),
        ({"rule": "mmr", "of": [], "diversity": 0.5}, "of: expected the name of a column"),
        ({"rule": "mmr", "of": "genres", "diversity": 1.5}, "diversity: expected a number from"),
        ({"rule": "decay", "field": "year", "scale": 0}, "scale has to be above 0"),
        ({"rule": "decay", "field": "year", "scale": "soon"}, "scale: not a duration"),
        ({"rule": "decay", "field": "year", "scale": 1, "shape": "cubic"}, "shape: 'cubic'"),
        ({"rule": "fair", "where": SELLER, "p": 1.0}, "p and alpha have to be above 0"),
        ({"rule": "fair", "where": SELLER, "p": 0.5, "k": 501}, "k: expected 500 or less"),
        ({"rule": "exposure", "by": "seller", "share": {"x": 0.5}}, "parts come to 0.5, not to 1"),
        ({"rule": "pin", "values": [1, 1]}, "values: an id is there twice"),
        ({"rule": "deny", "values": "abc"}, "values: expected a list of ids"),
        ({"rule": "clip"}, "expected `low`, `high` or both"),
        ({"rule": "clip", "low": 2, "high": 1}, "low: 2 is above high, 1"),
        ({"rule": "require", "where": []}, "where: expected a condition"),
    ],
)
def test_bad_parameters_of_list_rules(declared: dict[str, Any], problem: str) -> None:
    with pytest.raises(DeclarationError, match=problem):
        list_rules([declared], "x")


@pytest.mark.parametrize(
    ("declared", "problem"),
    [
        ({"rule": "cap", "by": "sellers", "most": 1}, "no column 'sellers'.*mean 'seller'"),
        ({"rule": "decay", "field": "genres", "scale": 1}, "genres is text: expected numbers"),
        (
            {"rule": "require", "where": {"field": "year", "op": ">", "value": "old"}},
            "year is a number: expected a number, found 'old'",
        ),
        (
            {"rule": "require", "where": {"header": "x-a", "op": "==", "value": "b"}},
            "a rule knows no headers",
        ),
    ],
)
def test_what_does_not_fit_the_columns(declared: dict[str, Any], problem: str) -> None:
    rules = list_rules([declared], "x")
    with pytest.raises(DeclarationError, match=rf"x\.rules\[0\].*{problem}"):
        open_rules(rules, definitions(), "x")


@pytest.mark.parametrize(
    ("declared", "problem"),
    [
        ([{"rule": "top_k", "k": 3}], "top_k is for ranked lists"),
        (
            [{"rule": "threshold", "at": 0.3}, {"rule": "calibrate"}],
            "calibrate makes the label anew: it goes before threshold",
        ),
        ([{"rule": "calibrate", "method": "beta"}], "method: 'beta'"),
        ([{"rule": "threshold", "at": 0.3, "costs": {}}], "either `at` or `costs`"),
        ([{"rule": "threshold", "costs": {"miss": 1}}], "expected miss and false_alarm"),
        ([{"rule": "label", "at_least": 2}], "at_least: expected a number from 0 to 1"),
        ([{"rule": "group_threshold", "by": "a", "at": {}, "otherwise": 0.5}], "at: expected a"),
        ([{"rule": "override", "where": SELLER, "label": None}], "label: expected a label"),
    ],
)
def test_bad_output_rules(declared: list[dict[str, Any]], problem: str) -> None:
    with pytest.raises(DeclarationError, match=problem):
        output_rules(declared, "x")


RANKS = """
candidates: {field: film, given: films, of: weather.sky}
fetch: [weather.sky]
"""
FIELDS = "member: {type: boolean}", "member: {type: boolean}\n  film: {type: string}"
ITEMS = "    responder: true", "    class_args: {items: {id: film}}"


@pytest.mark.parametrize(
    ("edits", "problem"),
    [
        (
            [("features.yaml", *FIELDS), ("features.yaml", "format: 1\n", f"format: 1{RANKS}")],
            r"postprocess\.class_args: `items` is missing: features\.yaml declares `candidates`, "
            r"so a record has many rows \(items: \{id: film\}, or no `candidates`\)",
        ),
        (
            [("features.yaml", *FIELDS), ("graphs/binary/graph.yaml", *ITEMS)],
            r"postprocess\.class_args\.items: asks for ranked lists, but features\.yaml declares "
            r"no `candidates` to rank \(candidates: \{field, given, of\} there",
        ),
    ],
)
def test_lists_without_candidates_and_candidates_without_lists(
    shop: Tiny, edits: list[tuple[str, str, str]], problem: str
) -> None:
    for edit in edits:
        shop.edit(*edit)
    with pytest.raises(DeclarationError, match=problem):
        shop.service("binary")


def test_what_a_list_may_not_show() -> None:
    lists = Lists({"id": "film", "show": ["score"]}, (), "x")
    fields = Schema([Field("film", "integer"), Field("score", "number")])
    with pytest.raises(DeclarationError, match=r"x\.items\.show: 'score' is what the reply calls"):
        lists.open(Definitions(Path("features.yaml"), fields, {}))


def test_what_cannot_be_known_is_told() -> None:
    """What a rule forbids is dropped though pinned; a pin of what is not there is told."""
    pin = rule("pin", values=[0, 9])
    pinned = pin.rank(plain([0.1, 0.5, 0.9]))
    assert pinned.ids == [0, 2, 1]
    dropped = rule("require", where={"field": "film", "op": ">", "value": 0}).rank(pinned)
    assert dropped.ids == [2, 1]
    assert pin.unmet(pinned, dropped) == "not in the list: 0, 9"
