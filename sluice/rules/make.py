"""Rules from their declarations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from sluice.errors import DeclarationError, nearest
from sluice.rules.rule import ListRule, OutputRule, Rule

R = TypeVar("R", bound=Rule)


def output_rules(declarations: Sequence[Mapping[str, Any]], where: str) -> list[OutputRule]:
    """The rules for single outputs. Raises DeclarationError for what it does not know."""
    return _made(declarations, where, OutputRule)


def list_rules(declarations: Sequence[Mapping[str, Any]], where: str) -> list[ListRule]:
    """The rules for ranked lists. Raises DeclarationError for what it does not know."""
    return _made(declarations, where, ListRule)


def all_rules() -> dict[str, type[Rule]]:
    """Every rule there is, by its name."""
    from sluice.rules.threshold import Threshold
    from sluice.rules.top_k import TopK

    return {r.rule: r for r in (Threshold, TopK)}


def _made(declarations: Sequence[Mapping[str, Any]], where: str, kind: type[R]) -> list[R]:
    """The rules in their declared order."""
    if not isinstance(declarations, (list, tuple)):
        problem = f"expected a list, found {type(declarations).__name__}"
        raise DeclarationError("graph.yaml", f"{where}.rules", problem)
    return [_make(d, f"{where}.rules[{i}]", kind) for i, d in enumerate(declarations)]


def _make(declaration: Mapping[str, Any], where: str, kind: type[R]) -> R:
    rules = all_rules()
    if not isinstance(declaration, Mapping) or "rule" not in declaration:
        raise DeclarationError("graph.yaml", where, "expected a mapping with a `rule`")
    params = dict(declaration)
    name = params.pop("rule")
    if not isinstance(name, str) or name not in rules:
        raise DeclarationError("graph.yaml", where, f"no rule {name!r}", nearest(str(name), rules))
    rule = rules[name]
    if not issubclass(rule, kind):
        wants = "ranked lists (class_arg `items`)" if kind is OutputRule else "single outputs"
        raise DeclarationError("graph.yaml", where, f"rule {name} is for {wants}")
    try:
        return rule(**params)
    except (TypeError, ValueError) as error:
        raise DeclarationError("graph.yaml", where, f"rule {name}: {error}") from None
