"""From scores to the answers of a table, with the rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from sluice.batch.block import Block
from sluice.batch.scored import Part, Patterns, Scored
from sluice.batch.typed import REASONS, UNKNOWN
from sluice.coded import Array, Coded
from sluice.fields import Fields
from sluice.live import Version
from sluice.models.signature import Signature
from sluice.rules.rule import OutputRule, Row

Named = list[tuple[str, Array]]  # codes of why, by column
_MOST = 1 << 62


def answer_table(block: Block, rules: Sequence[OutputRule]) -> Scored:
    """What the records came to: `reply.output` and the rules, by column."""
    n = len(block)
    errors = {place: str(error) for place, error in block.errors.items()}
    parts = []
    stalest = Coded(np.full(n, -1, np.int32), list(block.ages)), np.full(n, np.nan)
    for number, (rows, scores) in block.scores.items():
        version = block.live.answering(number)
        why, late = reasons(block, rows, version)
        _stalest(block, rows, version, why, stalest)
        used = [(name, codes) for name, codes in why.items() if name in version.used]
        finite = _finite(scores)
        if not finite.all():
            text = f"version {number} gave no number for this record"
            errors |= dict.fromkeys(block.places[rows[~finite]].tolist(), text)
        defaults = patterns([(name, codes[finite]) for name, codes in [*used, *late]])
        columns = _columns(scores[finite], version)
        good = rows[finite]
        part = Part(block.places[good], columns, defaults)
        fields, codes = _Taken(block.columns, good), _Taken(block.why, good)
        beside = Row(version, fields, codes, block.when[part.places], block.as_of[good])
        parts.append(_ruled(part, rules, beside))
    answered = np.full(n, -1, np.int32)
    answered[block.places] = block.chosen
    return Scored(
        block.id, n, parts, errors, Coded(answered, block.choices), *stalest, block.timings
    )


def _columns(scores: Array, version: Version) -> dict[str, Any]:
    """The outputs by name, as `reply.output` has them; more classes are columns by label."""
    if version.signature is not None:
        return _named(scores, version.signature)
    classes = version.manifest.classes
    numbers = scores.astype(np.float64)
    if not classes:
        return {"prediction": numbers[:, 0]}
    if len(classes) == 2:
        second = (numbers[:, 0] >= 0.5).astype(np.int32)
        return {"probability": numbers[:, 0], "label": Coded(second, classes)}
    best = numbers.argmax(axis=1).astype(np.int32)
    by_class = {str(label): numbers[:, place] for place, label in enumerate(classes)}
    return {"probabilities": by_class, "label": Coded(best, classes)}


def _named(scores: Array, signature: Signature) -> dict[str, Any]:
    """The outputs of a model file by name, as arrays of objects."""
    columns = {output.name: np.empty(len(scores), object) for output in signature.outputs}
    for row, flat in enumerate(scores.tolist()):
        for name, value in signature.answer(flat).items():
            columns[name][row] = value
    return columns


def _finite(scores: Array) -> Array:
    """Which rows [n] have numbers only, beside texts."""
    if scores.dtype == object:
        texts = np.array([isinstance(v, str) for v in scores.flat]).reshape(scores.shape)
        scores = np.where(texts, 0.0, scores).astype(np.float64)
    finite: Array = np.isfinite(scores).all(axis=1)
    return finite


class _Taken(Mapping[str, Any]):
    """Some rows of columns, each taken when it is asked for."""

    def __init__(self, columns: Mapping[str, Any], rows: Array) -> None:
        self._columns, self._rows = columns, rows

    def __getitem__(self, name: str) -> Any:
        return self._columns[name][self._rows]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)


def _ruled(part: Part, rules: Sequence[OutputRule], rows: Row) -> Part:
    """The part after the rules; from the first that knows no columns on it is a list of outputs."""
    for place, rule in enumerate(rules):
        columns = dict(part.columns)
        if not rule.apply_table(columns, rows):
            return part._replace(listed=_listed(part, rules[place:], rows))
        part = part._replace(columns=columns)
    return part


def _listed(part: Part, rules: Sequence[OutputRule], rows: Row) -> list[dict[str, Any]]:
    outputs = part.outputs()
    n = len(outputs)
    fields, defaults = _by_row(rows.fields, n), _by_row(rows.defaults, n)
    moments = rows.time.tolist(), rows.as_of.tolist()
    for output, values, why, *both in zip(outputs, fields, defaults, *moments, strict=True):
        told = {name: REASONS[code] for name, code in why.items() if code}
        for rule in rules:
            rule.apply(output, Row(rows.version, values, told, *both))
    return outputs


def _by_row(columns: Mapping[str, Any], n: int) -> list[Mapping[str, Any]]:
    """The values of n rows by name."""
    if not columns:
        return [{}] * n
    places = {name: at for at, name in enumerate(columns)}
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    return [Fields(places, values) for values in rows]


def reasons(block: Block, rows: Array, version: Version) -> tuple[dict[str, Array], Named]:
    """Per row of a version, by column, why a default stands in; and unknown categories.

    A category that a default brought and that is unknown is `unknown` in the place of the
    default, the others come last: a reply names them in that order.
    """
    why = {name: codes[rows] for name, codes in block.why.items()}
    late: Named = []
    unknowns = [unknown for d, unknown in block.unknown.items() if d in version.digests]
    for name, mask in chain.from_iterable(unknown.items() for unknown in unknowns):
        unknown = mask[rows]
        if unknown.any():
            late.append((name, np.where(unknown & (why[name] == 0), np.int8(UNKNOWN), np.int8(0))))
            why[name][unknown & (why[name] > 0)] = UNKNOWN
    return why, late


def patterns(why: Named) -> Patterns:
    """The defaults of k rows, from the codes of why by column [k]; 0 is "none"."""
    found = [(name, codes) for name, codes in why if codes.any()]
    if not found:
        return Patterns(None, [{}])
    combined = np.zeros(len(found[0][1]), np.int64)
    size = 1
    for _, codes in found:
        if size > _MOST // len(REASONS):
            known, combined = np.unique(combined, return_inverse=True)
            size = len(known)
        combined = combined * len(REASONS) + codes
        size *= len(REASONS)
    known, first, place = np.unique(combined, return_index=True, return_inverse=True)
    sets = [
        {name: REASONS[codes[row]] for name, codes in found if codes[row]} for row in first.tolist()
    ]
    return Patterns(place, sets)


def _stalest(
    block: Block,
    rows: Array,
    version: Version,
    why: Mapping[str, Array],
    stalest: tuple[Coded, Array],
) -> None:
    """Note per record the entity of its oldest feature, as `reply.stalest` tells it."""
    oldest = np.full(len(rows), -np.inf)
    entity = np.full(len(rows), -1, np.int32)
    for place, (name, ages) in enumerate(block.ages.items()):
        features = version.features.get(name, ())
        gave = np.zeros(len(rows), bool)
        for feature in features:
            gave |= (why[feature] == 0) | (why[feature] == UNKNOWN)
        older = gave & (ages[rows] > oldest)
        oldest[older], entity[older] = ages[rows][older], place
    there = block.places[rows]
    stalest[0].codes[there], stalest[1][there] = entity, np.where(entity < 0, np.nan, oldest)
