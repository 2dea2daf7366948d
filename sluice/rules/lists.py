"""Ranked lists as a graph answers them: from a record's rows to its output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from sluice.coded import Array
from sluice.declaration import Section
from sluice.errors import DeclarationError, nearest
from sluice.features.definitions import Definitions
from sluice.live import Version
from sluice.message import Message
from sluice.rules.make import list_rules, open_rules
from sluice.rules.measure import Measure
from sluice.rules.ranking import Id, Items, Ranking
from sluice.rules.rule import column_types, moves

EXPLAINED = 100  # items of a list that an explanation shows, at most
TAKEN = frozenset({"id", "score", "defaults", "count"})  # of an item, or of a list (protocol)
MODEL = "model"  # what the list before all rules is called


class Lists:
    """Makes the output of a record of its rows, by list rules in their order.

    Args:
        items: `id`, the column that says which item a row is; `show`, columns that the reply has
            of each item; `measure`, what is measured of lists (measure.py).
        rules: as declared.
        where: of the step, for errors.

    Raises DeclarationError.
    """

    def __init__(
        self, items: Mapping[str, Any], rules: Sequence[Mapping[str, Any]], where: str
    ) -> None:
        section = Section(items, "graph.yaml", f"{where}.items")
        self.id = section.take("id", str)
        self.show = [str(name) for name in section.take("show", list, [])]
        measure = section.section("measure", {})
        self.measure = Measure(measure) if measure.names else None
        section.done()
        self.rules = list_rules(rules, where)
        self.names = _names([rule.rule for rule in self.rules])
        self._where = where

    def open(self, definitions: Definitions) -> None:
        """Raise DeclarationError where a column is not in every row, or is of the wrong type."""
        types, where = self.types(definitions), f"{self._where}.items"
        for name in (self.id, *self.show):
            if name not in types:
                problem = f"{name!r} is neither a record's field nor under `fetch`"
                raise DeclarationError("graph.yaml", where, problem, nearest(name, types))
        if types[self.id] not in ("string", "integer"):
            problem = f"{self.id} is a {types[self.id]}: expected a string or an integer"
            raise DeclarationError("graph.yaml", f"{where}.id", problem)
        for name in TAKEN.intersection(self.show):
            problem = f"{name!r} is what the reply calls something else of an item"
            hint = "a field of the record under another name"
            raise DeclarationError("graph.yaml", f"{where}.show", problem, hint)
        open_rules(self.rules, definitions, self._where)
        if self.measure is not None:
            try:
                self.measure.open(definitions)
            except ValueError as error:
                raise DeclarationError("graph.yaml", f"{self._where}.items", str(error)) from None

    def types(self, definitions: Definitions) -> dict[str, str]:
        """The type of each column that items may show."""
        return column_types(definitions)

    def answer(self, message: Message, rows: Sequence[int], explain: bool) -> dict[str, Any]:
        """The output for the rows of one record, as rule.py shows it; its figures go into the
        message."""
        if not rows:
            return {"items": []}
        version = message.live.answering(message.route[rows[0]].version)
        scores = np.array([message.scores[row].item(0) for row in rows], np.float64)
        if not np.isfinite(scores).all():
            return {"error": f"version {version.number} gave no number for this record"}
        steps = [Ranking.of(self._items(message, rows, scores, version))]
        for rule in self.rules:
            steps.append(rule.rank(steps[-1]))
        if self.measure is not None:
            figures = zip((MODEL, *self.names), self.measure(steps), strict=True)
            message.figures[message.rows[rows[0]]] = list(figures)
        output: dict[str, Any] = {"items": self._shown(steps[-1])}
        if told := self._told(steps):
            output["rules"] = told
        _defaults(output, steps[-1])
        if explain:
            output["explain"] = self._explained(steps)
        return output

    def _items(
        self, message: Message, rows: Sequence[int], scores: Array, version: Version
    ) -> Items:
        places = {name: at for at, name in enumerate(message.columns)}
        values = [message.values[row] for row in rows]
        at = places[self.id]
        ids = _ids([row[at] for row in values])
        return Items(
            ids,
            scores,
            values,
            places,
            version=version,
            when=message.times()[message.rows[rows[0]]],
            defaults=[message.defaults[row] for row in rows],
        )

    def _shown(self, ranking: Ranking) -> list[dict[str, Any]]:
        items, scores = ranking.items, ranking.scores.tolist()
        shown = [{"id": items.ids[place], "score": scores[place]} for place in ranking.places]
        for name in self.show:
            column = items.column(name)
            for item, place in zip(shown, ranking.places, strict=True):
                item[name] = _plain(column[place])
        return shown

    def _told(self, steps: Sequence[Ranking]) -> list[dict[str, Any]]:
        """What each rule changed, and what it promised that does not hold; those with neither
        are left out."""
        told = []
        for at, (before, after) in enumerate(pairwise(steps)):
            one: dict[str, Any] = {}
            if moved := moves(before, after):
                one["moved"] = moved
            if len(before) > len(after):
                one["dropped"] = len(before) - len(after)
            if unmet := self.rules[at].unmet(before, steps[-1]):
                one["unmet"] = unmet
            if one:
                told.append({"rule": self.names[at], **one})
        return told

    def _explained(self, steps: Sequence[Ranking]) -> list[dict[str, Any]]:
        lists = [_listed(step) for step in steps]
        return [
            {
                "rule": self.names[i],
                "before": lists[i],
                "after": lists[i + 1],
                "reason": rule.why_ranked(steps[i], steps[i + 1]),
            }
            for i, rule in enumerate(self.rules)
        ]


def fit(lists: Lists | None, definitions: Definitions, where: str) -> None:
    """Raise DeclarationError where a graph has candidates and makes no lists of them, or the other
    way round. `where` is the step's class_args."""
    file, candidates = definitions.file.name, definitions.candidates
    if candidates is not None and lists is None:
        problem = f"`items` is missing: {file} declares `candidates`, so a record has many rows"
        hint = f"items: {{id: {candidates.field}}}, or no `candidates`"
        raise DeclarationError("graph.yaml", where, problem, hint)
    if candidates is None and lists is not None:
        problem = f"asks for ranked lists, but {file} declares no `candidates` to rank"
        hint = "candidates: {field, given, of} there (docs/features.md), or no `items`"
        raise DeclarationError("graph.yaml", f"{where}.items", problem, hint)


def _names(rules: Sequence[str]) -> list[str]:
    """Each rule's name; where one comes again, with its number: mmr, top_k, top_k 2."""
    numbers = [rules[: at + 1].count(name) for at, name in enumerate(rules)]
    return [f"{n} {i}" if i > 1 else n for n, i in zip(rules, numbers, strict=True)]


def _ids(values: list[Any]) -> list[Id]:
    """A whole number is a float in a row."""
    return values if isinstance(values[0], str) else list(map(int, values))


def _plain(value: Any) -> Any:
    return None if value != value else value


def _listed(ranking: Ranking) -> list[dict[str, Any]]:
    ids, scores = ranking.items.ids, ranking.scores
    return [{"id": ids[p], "score": float(scores[p])} for p in ranking.places[:EXPLAINED]]


def _defaults(output: dict[str, Any], ranking: Ranking) -> None:
    """Say where a default stood in: for the record where it did in all of its rows, else by
    item."""
    found = ranking.items.defaults
    if not any(found):
        return
    common = {n: why for n, why in found[0].items() if all(n in defaults for defaults in found)}
    if common:
        output["defaults"] = common
    for item, place in zip(output["items"], ranking.places, strict=True):
        own = {n: why for n, why in found[place].items() if n not in common}
        if own:
            item["defaults"] = own
