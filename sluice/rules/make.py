"""Rules from their declarations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from sluice.errors import DeclarationError, nearest
from sluice.features.definitions import Definitions
from sluice.rules.rule import ListRule, OutputRule, Rule

if TYPE_CHECKING:
    from sluice.application import Application

# By name, where the class is; a process imports only those that it uses.
RULES = {
    "allow": "sluice.rules.allow:Allow",
    "calibrate": "sluice.rules.calibrate:Calibrate",
    "cap": "sluice.rules.cap:Cap",
    "clip": "sluice.rules.clip:Clip",
    "correction": "sluice.rules.correction:Correction",
    "decay": "sluice.rules.decay:Decay",
    "deny": "sluice.rules.deny:Deny",
    "exposure": "sluice.rules.exposure:Exposure",
    "fair": "sluice.rules.fair:Fair",
    "fresh": "sluice.rules.fresh:Fresh",
    "group_threshold": "sluice.rules.group_threshold:GroupThreshold",
    "label": "sluice.rules.label:Label",
    "mmr": "sluice.rules.mmr:MMR",
    "override": "sluice.rules.override:Override",
    "pin": "sluice.rules.pin:Pin",
    "quota": "sluice.rules.quota:Quota",
    "require": "sluice.rules.require:Require",
    "round": "sluice.rules.round:Round",
    "threshold": "sluice.rules.threshold:Threshold",
    "top_k": "sluice.rules.top_k:TopK",
}
_LABELS = frozenset({"threshold", "group_threshold", "label", "override"})
R = TypeVar("R", bound=Rule)


def output_rules(declarations: Sequence[Mapping[str, Any]], where: str) -> list[OutputRule]:
    """The rules for single outputs. Raises DeclarationError for what it does not know,
    and for rules that conflict."""
    rules = _made(declarations, where, OutputRule)
    names = [rule.rule for rule in rules]
    for at, name in enumerate(names):
        if name == "calibrate" and (before := _LABELS.intersection(names[:at])):
            _refuse(f"calibrate makes the label anew: it goes before {min(before)}", where)
    if "correction" in names[1:]:
        _refuse("correction learns from what the model itself says: it is the first rule", where)
    return rules


def list_rules(declarations: Sequence[Mapping[str, Any]], where: str) -> list[ListRule]:
    """The rules for ranked lists. Raises DeclarationError for what it does not know,
    and for rules that conflict."""
    from sluice.rules.conflicts import conflict

    rules = _made(declarations, where, ListRule)
    if problem := conflict(rules):
        _refuse(problem, where)
    return rules


def _refuse(problem: str, where: str) -> NoReturn:
    raise DeclarationError("graph.yaml", f"{where}.rules", problem)


def rule_class(name: str) -> type[Rule]:
    """The rule with this name, which is one of RULES."""
    module, _, kind = RULES[name].partition(":")
    found: type[Rule] = getattr(import_module(module), kind)
    return found


def open_rules(rules: Sequence[Rule], definitions: Definitions, where: str) -> None:
    """Let rules look at the declarations. Raises DeclarationError naming the rule's place."""
    for i, rule in enumerate(rules):
        try:
            rule.open(definitions)
        except ValueError as error:
            place = f"{where}.rules[{i}]"
            raise DeclarationError("graph.yaml", place, f"rule {rule.rule}: {error}") from None


def start_rules(rules: Sequence[OutputRule], application: Application, where: str) -> None:
    """Let rules open what they need. Raises DeclarationError naming the rule's place."""
    for i, rule in enumerate(rules):
        try:
            rule.start(application)
        except ValueError as error:
            place = f"{where}.rules[{i}]"
            raise DeclarationError("graph.yaml", place, f"rule {rule.rule}: {error}") from None


def _made(declarations: Sequence[Mapping[str, Any]], where: str, kind: type[R]) -> list[R]:
    """The rules in their declared order."""
    if not isinstance(declarations, (list, tuple)):
        problem = f"expected a list, found {type(declarations).__name__}"
        raise DeclarationError("graph.yaml", f"{where}.rules", problem)
    return [_make(d, f"{where}.rules[{i}]", kind) for i, d in enumerate(declarations)]


def _make(declaration: Mapping[str, Any], where: str, kind: type[R]) -> R:
    if not isinstance(declaration, Mapping) or "rule" not in declaration:
        raise DeclarationError("graph.yaml", where, "expected a mapping with a `rule`")
    params = dict(declaration)
    name = params.pop("rule")
    if not isinstance(name, str) or name not in RULES:
        raise DeclarationError("graph.yaml", where, f"no rule {name!r}", nearest(str(name), RULES))
    rule = rule_class(name)
    if not issubclass(rule, kind):
        wants = "ranked lists (class_arg `items`)" if kind is OutputRule else "single outputs"
        raise DeclarationError("graph.yaml", where, f"rule {name} is for {wants}")
    try:
        return rule(**params)
    except (TypeError, ValueError) as error:
        raise DeclarationError("graph.yaml", where, f"rule {name}: {error}") from None
