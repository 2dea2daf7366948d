"""What a model answers, read off its answers: a number, a label, or a probability per class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sluice.errors import SluiceError

Kind = Literal["number", "label", "probabilities"]
_PART: dict[str, str] = {"number": "prediction", "label": "label", "probabilities": "probabilities"}


@dataclass(frozen=True)
class Answers:
    """`classes` are the labels, in the order of their scores; none of a number's."""

    kind: Kind
    classes: tuple[Any, ...] = ()

    @property
    def task(self) -> Literal["classification", "regression"]:
        return "classification" if self.classes else "regression"

    @property
    def part(self) -> str:
        """The part of Sluice's output that is MLRun's."""
        return _PART[self.kind]


def read_answers(outputs: Sequence[Any], estimator: Any) -> Answers:
    """How the outputs of a model server are to be read.

    Args:
        outputs: one for each input.
        estimator: what it has loaded, for its `classes_`, if it has any.

    Raises SluiceError for what no version can answer.
    """
    classes = _classes(estimator)
    if classes and all(_is_label(o) and o in classes for o in outputs):
        return Answers("label", classes)
    if all(_is_number(o) for o in outputs):
        return Answers("number")
    widths = {len(o) for o in outputs if isinstance(o, list) and all(map(_is_number, o))}
    if len(widths) == 1 and all(isinstance(o, list) for o in outputs):
        width = widths.pop()
        if width == 1:
            hint = "answer 0.5 rather than [0.5], in a step behind the model"
            raise SluiceError(f"an output is a list of one number: {hint}")
        return Answers("probabilities", classes if len(classes) == width else tuple(range(width)))
    if all(isinstance(o, str) for o in outputs):
        hint = "its labels are read off classes_ of the object in self.model"
        raise SluiceError(f"answers {outputs[0]!r}, a label of a set that it does not tell: {hint}")
    hint = "a version answers a number, a label or probabilities: reshape it in a step behind"
    raise SluiceError(f"answers {outputs[0]!r:.80}: {hint}")


def _classes(estimator: Any) -> tuple[Any, ...]:
    found = getattr(estimator, "classes_", None)
    classes = [] if found is None else list(found.tolist() if hasattr(found, "tolist") else found)
    return tuple(classes) if all(_is_label(c) for c in classes) and len(classes) > 1 else ()


def _is_label(value: Any) -> bool:
    return isinstance(value, str | int | bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
