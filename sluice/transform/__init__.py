"""Transforms: from named columns to what a model takes; the same code for a row and a table."""

from sluice.transform.columns import Columns
from sluice.transform.inputs import Inputs
from sluice.transform.ops import (
    Category,
    Clip,
    Difference,
    Number,
    Op,
    Ratio,
    TimePart,
)
from sluice.transform.transform import Transform, read_transform

__all__ = [
    "Category",
    "Clip",
    "Columns",
    "Difference",
    "Inputs",
    "Number",
    "Op",
    "Ratio",
    "TimePart",
    "Transform",
    "read_transform",
]
