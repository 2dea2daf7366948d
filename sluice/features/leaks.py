"""Refusing columns that tell the label: values that nobody knows at request time.

A join as of the right moment cannot protect from a column that is in the table by mistake: the
label itself, or something computed from it. Such a column gives itself away by its values.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from sluice.errors import GateFailed
from sluice.schema import Column

_FEWEST = 30  # among fewer labelled rows, a perfect split may be chance


def refuse_leaks(
    columns: Mapping[str, Column],
    label: Column,
    names: Sequence[str],
    vouched: Collection[str] = (),
) -> None:
    """Raise GateFailed for a column that is the label, or that splits it perfectly.

    Args:
        columns: name → values [n], as a training frame holds them.
        label: what is to be predicted [n], NaN where it is not known.
        names: the columns that the model is to use.
        vouched: those among them that are known at request time however well they tell.
    """
    target = np.asarray(label, float)
    known = ~np.isnan(target)
    if known.sum() < _FEWEST or len(np.unique(target[known])) < 2:
        return
    for name in names:
        column = np.asarray(columns[name])
        if column.dtype.kind not in "biuf" or name in vouched:
            continue
        both = known & ~np.isnan(column.astype(float))
        how = _tells(column[both].astype(float), target[both])
        if how:
            why = f"column {name!r} {how}: known at request time? then vouch for it"
            raise GateFailed("leak", why, {"column": name, "rows": int(both.sum())})


def _tells(values: Column, label: Column) -> str:
    """How a column gives the label away; empty when it does not."""
    if len(values) < _FEWEST or len(np.unique(label)) < 2:
        return ""
    if np.array_equal(values, label):
        return "equals the label"
    if len(np.unique(label)) > 2:
        return ""
    low, high = values[label == label.min()], values[label == label.max()]
    split = low.max() < high.min() or high.max() < low.min()
    return "splits the label perfectly" if split else ""
