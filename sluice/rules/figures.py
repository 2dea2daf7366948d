"""The figures of lists, over the records of a request; for its event and for metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Step = tuple[str, Mapping[str, Any]]  # a rule, and the figures of the list after it
GROUPS, OTHER = 20, "other"  # so many groups have a figure of their own


def mean_figures(records: Sequence[Sequence[Step]]) -> list[dict[str, Any]]:
    """The figures of some records' lists, step by step: of each figure the mean over the lists
    that have it, and in `lists` how many there are. Of groups those with the largest shares."""
    made = []
    for steps in zip(*records, strict=True):
        found = [figures for _, figures in steps if figures]
        one: dict[str, Any] = {"rule": steps[0][0], "lists": len(found)}
        for name in ("diversity", "age", "tail"):
            known = [f[name] for f in found if f.get(name) is not None]
            if known:
                one[name] = sum(known) / len(known)
        if any("groups" in figures for figures in found):
            one["groups"] = _groups([figures["groups"] for figures in found])
        made.append(one)
    return made


def _groups(found: Sequence[Mapping[str, float]]) -> dict[str, float]:
    total: dict[str, float] = {}
    for shares in found:
        for group, share in shares.items():
            total[group] = total.get(group, 0.0) + share
    ranked = sorted(total, key=lambda group: (-total[group], group))
    means = {group: total[group] / len(found) for group in ranked[:GROUPS]}
    if len(ranked) > GROUPS:
        means[OTHER] = sum(total[group] for group in ranked[GROUPS:]) / len(found)
    return means


def flat(step: Mapping[str, Any]) -> Iterator[tuple[str, str, float]]:
    """The figures of one step of `mean_figures` as (name, group, value)."""
    for name in ("diversity", "age", "tail"):
        if name in step:
            yield name, "", step[name]
    for group, share in step.get("groups", {}).items():
        yield "exposure", group, share
