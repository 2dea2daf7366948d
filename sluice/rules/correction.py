"""Answers moved by what labels have said since the model was trained."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from sluice.coded import Coded
from sluice.correction.copies import NOTHING, Copies
from sluice.correction.moves import Moves, moved, moved_table
from sluice.correction.plan import RULE, Plan
from sluice.features.definitions import Definitions
from sluice.rules.rule import Columns, Output, OutputRule, Row

if TYPE_CHECKING:
    from sluice.application import Application

_NAMES = ("probability", "prediction")


class Correction(OutputRule):
    """The probability of the second class, or a prediction, moved by what recent labels say of it.

    When to use it: labels come within hours or days, and the world moves faster than models are
    trained. A probability is moved in log-odds, a number in spreads; `sluice correction learn`
    teaches it. An answer is moved by what was known when it was asked for, and as of when; before
    there is any label it stays as it is, to the bit. The label follows the new probability.

    Args:
        features: text fields of the record: answers that share a value are moved alike.
        half_life, every, prior, share, bound, frozen_after, silence, within, window, margin, least,
            keep, refresh, max_age: see sluice.correction.plan.Plan.

    The output's `correction` has what the model said (`from`), the number of the snapshot that
    moved it (`version`, 0 for none), up to when labels count (`at`, seconds since the epoch), and
    whether that is `frozen`: labels have stopped, it was held, or it turned itself off.
    """

    rule = RULE

    def __init__(self, features: Sequence[str], **params: Any) -> None:
        self.plan = Plan.parse({"features": features, **params})
        self._copies: Copies | None = None

    def fields(self) -> Sequence[str]:
        return self.plan.features

    def open(self, definitions: Definitions) -> None:
        self.plan.check(definitions)

    def start(self, application: Application) -> None:
        """Read what is known, if there is a ledger, and go on reading it.

        Raises ValueError for more than two classes.
        """
        classes = application.live().champion.manifest.classes
        if len(classes or ()) > 2:
            raise ValueError(f"is for two classes, or numbers; the champion has {len(classes)}")
        if application.rewards is not None:
            copies = Copies(partial(application.rewards, self.plan.memory), self.plan)
            application.correction = copies
            self.attach(copies)

    def attach(self, copies: Copies) -> None:
        """Move answers by these."""
        self._copies = copies
        copies.refresh()

    def _moves(self) -> Moves:
        copies = self._copies
        if copies is None:
            return Moves(self.plan, NOTHING, False)
        copies.watch()
        return Moves(self.plan, copies.known, copies.known.held or not copies.fresh)

    def apply(self, output: Output, row: Row) -> None:
        name = next((name for name in _NAMES if name in output), None)
        if name is None:
            return
        at = row.as_of if row.as_of <= row.time else row.time
        values = [row.fields[feature] for feature in self.plan.features]
        move, score = self._moves().one(row.version.number, values, at), output[name]
        output[name] = moved(score, move)
        if name == "probability":
            output["label"] = row.version.manifest.classes[output[name] >= 0.5]
        output[RULE] = {"from": score, "version": move.number, "at": at, "frozen": move.frozen}

    def apply_table(self, outputs: Columns, rows: Row) -> bool:
        name = next((name for name in _NAMES if name in outputs), None)
        if name is None:
            return True
        at = np.where(rows.as_of <= rows.time, rows.as_of, rows.time)
        columns = {feature: rows.fields[feature] for feature in self.plan.features}
        moves, scores = self._moves().table(rows.version.number, columns, at), outputs[name]
        outputs[name] = moved_table(scores, moves)
        if name == "probability":
            second = (outputs[name] >= 0.5).astype(np.int32)
            outputs["label"] = Coded(second, rows.version.manifest.classes)
        told = {"from": scores, "version": moves.number, "at": at, "frozen": moves.frozen}
        outputs[RULE] = told
        return True

    def why(self, before: Output, after: Output, row: Row) -> str:
        if RULE not in after:
            return "neither two classes nor a number"
        told = after[RULE]
        if not told["version"]:
            return "nothing is known yet"
        frozen = ", frozen" if told["frozen"] else ""
        return f"by snapshot {told['version']} of the labels{frozen}"
