"""The settings that a sweep tries: the graph's rules with other parameters."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

from sluice.errors import SluiceError

LAST = "top_k"  # stays behind the rules that a sweep adds
Sweep = Mapping[str, Mapping[str, Sequence[Any]]]


class Setting(NamedTuple):
    """One combination: `changed` is what the sweep set ("mmr.diversity": 0.3), `rules` all rules
    as a graph.yaml declares them."""

    changed: Mapping[str, Any]
    rules: Sequence[Mapping[str, Any]]

    @property
    def name(self) -> str:
        """What people call it, and what results are kept under."""
        told = (f"{name}={json.dumps(value)}" for name, value in self.changed.items())
        return ", ".join(told) or "as declared"


def settings(
    declared: Sequence[Mapping[str, Any]], sweep: Sweep, fixed: Mapping[str, Mapping[str, Any]]
) -> list[Setting]:
    """The graph as it is declared, then every combination of the sweep's values.

    A rule that the graph does not declare is added, with the parameters in `fixed`: before the one
    that the sweep names next, at the end before the last top_k. A value of None stands for the list
    without that rule. Raises SluiceError for a sweep without values.
    """
    axes = [
        (rule, parameter, list(values))
        for rule, parameters in sweep.items()
        for parameter, values in parameters.items()
    ]
    if not axes or not all(values for _, _, values in axes):
        raise SluiceError("nothing to sweep: name --rule and --param, or `sweep` in the Tuning")
    made = [Setting({}, list(declared))]
    for chosen in product(*(values for _, _, values in axes)):
        changed: dict[str, dict[str, Any]] = {}
        for (rule, parameter, _), value in zip(axes, chosen, strict=True):
            changed.setdefault(rule, {})[parameter] = value
        names = {f"{r}.{p}": v for (r, p, _), v in zip(axes, chosen, strict=True)}
        made.append(Setting(names, _with(declared, changed, fixed)))
    return made


def _with(
    declared: Sequence[Mapping[str, Any]],
    changed: Mapping[str, Mapping[str, Any]],
    fixed: Mapping[str, Mapping[str, Any]],
) -> list[Mapping[str, Any]]:
    off = {rule for rule, parameters in changed.items() if None in parameters.values()}
    kept = [rule for rule in declared if rule["rule"] not in off]
    rules: list[Mapping[str, Any]] = [{**r, **changed.get(r["rule"], {})} for r in kept]
    at = len(rules) - (bool(rules) and rules[-1]["rule"] == LAST)
    for name, parameters in reversed(list(changed.items())):
        places = [place for place, rule in enumerate(rules) if rule["rule"] == name]
        if places:
            at = places[0]
        elif name not in off:
            rules.insert(at, {"rule": name, **fixed.get(name, {}), **parameters})
    return rules
