"""The contract of a rule, and how rules are made from their declarations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from sluice.errors import DeclarationError, nearest
from sluice.live import Version

Output = dict[str, Any]
Columns = dict[str, Any]  # arrays [m], or Coded ones


class Rule:
    """Changes the output of one row.

    A subclass sets `rule`, takes its parameters in `__init__` and writes `apply`.
    """

    rule: ClassVar[str]

    def apply(self, output: Output, version: Version) -> None:
        """Change `output`, which `version` made, in place."""
        raise TypeError(f"{type(self).__name__} does not define apply")

    def apply_table(self, outputs: Columns, version: Version) -> bool:
        """`apply` for the outputs of many rows, by column [m]; False if the rule has no such form.

        A subclass that writes it changes `outputs` in place, and returns True.
        """
        return False


def make_rules(declarations: Sequence[Mapping[str, Any]], where: str) -> list[Rule]:
    """The rules in their declared order. Raises DeclarationError for what it does not know."""
    if not isinstance(declarations, (list, tuple)):
        problem = f"expected a list, found {type(declarations).__name__}"
        raise DeclarationError("graph.yaml", f"{where}.rules", problem)
    return [_make(d, f"{where}.rules[{i}]") for i, d in enumerate(declarations)]


def _make(declaration: Mapping[str, Any], where: str) -> Rule:
    from sluice.rules.threshold import Threshold

    rules: dict[str, type[Rule]] = {Threshold.rule: Threshold}
    if not isinstance(declaration, Mapping) or "rule" not in declaration:
        raise DeclarationError("graph.yaml", where, "expected a mapping with a `rule`")
    params = dict(declaration)
    name = params.pop("rule")
    if not isinstance(name, str) or name not in rules:
        raise DeclarationError("graph.yaml", where, f"no rule {name!r}", nearest(str(name), rules))
    try:
        return rules[name](**params)
    except (TypeError, ValueError) as error:
        raise DeclarationError("graph.yaml", where, f"rule {name}: {error}") from None
