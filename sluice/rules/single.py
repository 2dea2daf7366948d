"""Output rules, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sluice.rules.rule import Output, OutputRule, Row


def apply(rules: Sequence[OutputRule], output: Output, row: Row, explain: bool) -> None:
    """Change `output` by the rules; with `explain` it says what each did, and why."""
    if not explain:
        for rule in rules:
            rule.apply(output, row)
        return
    told: list[dict[str, Any]] = []
    for rule in rules:
        before = dict(output)
        rule.apply(output, row)
        after = dict(output)
        reason = rule.why(before, after, row)
        told.append(
            {"rule": rule.rule, "before": _own(before), "after": _own(after), "reason": reason}
        )
    output["explain"] = told


def _own(output: Output) -> Output:
    """The output without what is beside it."""
    return {name: value for name, value in output.items() if name != "defaults"}
