"""What a ranking graph declares for `sluice tune-rules`: `tuning` among its parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sluice.declaration import load_object
from sluice.errors import DeclarationError
from sluice.parameters import Parameters
from sluice.project import Project

SPLITS = ("validation", "test")


@dataclass(frozen=True)
class Tuning:
    """How lists are judged.

    Attributes:
        windows: per split (validation, test) the window of the graph's Training: its requests,
            with the labels that came after them. A model is fitted on each, so none is judged by
            what it has seen.
        alike: columns that make items alike (sluice/rules/mmr.py): diversity is by them.
        date: a column of numbers, and `today` in its unit: age is their difference.
        group: a column that is true for the items whose share and exposure are watched.
        k: how many items of a list count.
        sweep: what is swept unless the command says so: rule → parameter → values.
        fixed: by rule, parameters that a rule needs which the graph does not declare.
    """

    windows: Mapping[str, Mapping[str, Any]]
    alike: Sequence[str]
    date: str
    today: float
    group: str
    k: int = 10
    sweep: Mapping[str, Mapping[str, Sequence[Any]]] = field(default_factory=dict)
    fixed: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if sorted(self.windows) != sorted(SPLITS):
            problem = f"expected the splits {', '.join(SPLITS)}, found {', '.join(self.windows)}"
            raise DeclarationError("tuning", "windows", problem)


def load_tuning(project: Project, parameters: Parameters) -> Tuning:
    """The tuning that a graph's parameters name. Raises DeclarationError."""
    where, file = "spec.parameters.sluice.tuning", project.graph_file(parameters.graph)
    if parameters.tuning is None:
        raise DeclarationError(file, where, "is missing", "name the Tuning: package.module.name")
    tuning = load_object(parameters.tuning, file, where, project.root)
    if not isinstance(tuning, Tuning):
        problem = f"expected a Tuning, found {type(tuning).__name__}"
        raise DeclarationError(file, where, problem)
    return tuning
