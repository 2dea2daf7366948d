"""The monitoring events of a table: as many as it takes for none to be large."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from sluice.application import Application
from sluice.batch.block import Block
from sluice.batch.scored import DEFAULTS, ERROR, Part, Scored
from sluice.message import Choice
from sluice.monitoring.event import Observation
from sluice.monitoring.listed import Listed
from sluice.reply import MIXED, told

RECORDS = 1000  # of one event, at most
WAIT_S = 5.0  # for a stream that takes events slowly


def observe_table(application: Application, block: Block, scored: Scored) -> None:
    """Send the events of a table that was answered.

    They are like those of requests with at most a thousand records each, in turn; their ids are
    the table's, with the place of their first record. Where the records are requests of their own
    (`block.ids`, `block.when`), they tell of each its id, its time, its choice and what the members
    of a team said of it: whoever reads decisions off events finds those of all the requests.
    Defaults are counted, and not told by record. A table has time: it waits for room, where a
    request would go without an event.
    """
    emitter = application.emitter
    if emitter is None:
        return
    duration_us = round((time.perf_counter() - block.started) * 1e6)
    emitter.widen(2 * len(block))  # this table's and the one's before
    names = application.definitions.record.names
    inputs = [_list(block.frame.column(name)) for name in names]
    outputs = _outputs(scored)
    features = _features(block, set(names))
    share = {name: us / max(1, len(block)) for name, us in block.timings.items()}
    for first in range(0, len(block), RECORDS):
        rows = slice(first, first + RECORDS)
        choices = _choices(scored, rows)
        count = len(inputs[0][rows]) if inputs else 0
        emitter.make_room(count, WAIT_S)
        emitter.emit(
            Observation(
                id=f"{block.id}-{first}",
                graph=application.graph,
                version=_version(choices),
                when=float(block.when[first]),
                duration_us=round(duration_us * count / len(block)),
                records=_requests(block, names, [c[rows] for c in inputs], rows),
                outputs=_listed(outputs, scored, rows),
                route=_route(choices),
                ages=_ages(scored, rows),
                defaults=counts(scored, rows),
                timings={name: us * count for name, us in share.items()},
                members=_members(block, rows),
                routes=_routes(scored, rows) if len(choices) > 1 else {},
                features=Listed(list(features), [c[rows] for c in features.values()]),
            )
        )


def _features(block: Block, own: Collection[str]) -> dict[str, list[Any]]:
    """By name what was looked up for each record, None for one that has no row."""
    found = {name: _list(column) for name, column in block.columns.items() if name not in own}
    if len(block.places) == len(block):
        return found
    places = block.places.tolist()
    for name, values in found.items():
        whole = found[name] = [None] * len(block)
        for place, value in zip(places, values, strict=True):
            whole[place] = value
    return found


def _list(column: Any) -> list[Any]:
    return column if isinstance(column, list) else list(column.tolist())


def _requests(block: Block, names: list[str], columns: list[list[Any]], rows: slice) -> Listed:
    ids = () if block.ids is None else list(block.ids[rows])
    when = block.when[rows]
    differ = bool((when != when[0]).any())
    times, traces = when.tolist() if differ else (), block.headers[rows]
    return Listed(names, columns, ids=ids, when=times, traces=traces if any(traces) else ())


def _outputs(scored: Scored) -> dict[str, list[Any]]:
    """By name the outputs of all records, None where there is none; those that are no columns (a
    mapping by label, the defaults) are left out, but for probabilities: one column each."""
    columns: dict[str, list[Any]] = {}
    for part in scored.parts:
        for name, values in _flat(part.listed, part.columns).items():
            column = columns.setdefault(name, [None] * len(scored))
            if len(values) == len(scored):
                columns[name] = values
                continue
            for place, value in zip(part.places.tolist(), values, strict=True):
                column[place] = value
    return columns


def _flat(listed: list[dict[str, Any]] | None, columns: Mapping[str, Any]) -> dict[str, list[Any]]:
    if listed is not None:
        names = dict.fromkeys(name for output in listed for name in output)
        return {n: [o.get(n) for o in listed] for n in names if n not in (ERROR, DEFAULTS)}
    flat: dict[str, list[Any]] = {}
    for name, column in columns.items():
        if isinstance(column, Mapping):
            flat |= {f"{name}.{label}": values.tolist() for label, values in column.items()}
        else:
            flat[name] = column.tolist()
    return flat


def _listed(outputs: Mapping[str, list[Any]], scored: Scored, rows: slice) -> Listed:
    failed = {p - rows.start: e for p, e in scored.failed.items() if rows.start <= p < rows.stop}
    return Listed(list(outputs), [values[rows] for values in outputs.values()], failed)


def _choices(scored: Scored, rows: slice) -> Counter[Choice]:
    """How many of the rows each choice was made for."""
    codes = scored.routes.codes[rows]
    counts = np.bincount(codes[codes >= 0], minlength=len(scored.routes.words)).tolist()
    found = zip(scored.routes.words, counts, strict=True)
    return Counter({choice: count for choice, count in found if count})


def _version(choices: Counter[Choice]) -> str | None:
    versions = {choice.version for choice in choices}
    return MIXED if len(versions) > 1 else next(iter(versions), None)


def _route(choices: Counter[Choice]) -> dict[str, Any]:
    if len(choices) == 1:
        return told(next(iter(choices)))
    versions: Counter[str] = Counter()
    for choice, count in choices.items():
        versions[choice.version] += count
    policy = next((choice.policy for choice in choices), None)
    return {"policy": policy, "versions": dict(versions)} if policy else {}


def _routes(scored: Scored, rows: slice) -> dict[str, Any]:
    """The choices, and which of them is each row's."""
    known, codes = np.unique(scored.routes.codes[rows], return_inverse=True)
    words = [scored.routes.words[code] for code in known.tolist() if code >= 0]
    none = len(known) - len(words)  # 1 where a row has no choice: it is the first then
    told_of = [{"version": choice.version, **told(choice)} for choice in words]
    return {"words": told_of, "codes": (codes - none).tolist()}


def _members(block: Block, rows: slice) -> dict[str, list[Any]]:
    """By version that predicted for a team, its scores by record, None where it was not asked."""
    found: dict[str, list[Any]] = {}
    for number, (asked, scores) in block.members.items():
        places = block.places[asked]
        there = slice(*np.searchsorted(places, [rows.start, rows.stop]))
        plain = scores[there, 0] if scores.shape[1] == 1 else scores[there]
        found[number] = [None] * min(RECORDS, len(block) - rows.start)
        for place, score in zip((places[there] - rows.start).tolist(), plain.tolist(), strict=True):
            found[number][place] = score
    return found


def _ages(scored: Scored, rows: slice) -> dict[str, float]:
    ages = scored.age_s[rows]
    if np.isnan(ages).all():
        return {}
    oldest = int(np.nanargmax(ages))
    return {scored.stalest[rows].tolist()[oldest]: float(ages[oldest])}


def counts(scored: Scored, rows: slice) -> dict[str, dict[str, int]]:
    """By column, how many of the rows took its default, and why."""
    counts: dict[str, dict[str, int]] = {}
    for part in scored.parts:
        there = slice(*np.searchsorted(part.places, [rows.start, rows.stop]))
        for defaults, count in _sets(part, there):
            for name, why in defaults.items():
                reasons = counts.setdefault(name, {})
                reasons[why] = reasons.get(why, 0) + count
    return counts


def _sets(part: Part, rows: slice) -> list[tuple[Mapping[str, str], int]]:
    """The sets of defaults of some rows, and how many have each."""
    if part.listed is not None:
        return [(output.get(DEFAULTS, {}), 1) for output in part.listed[rows]]
    place, sets = part.defaults
    if place is None:
        return []
    counts = np.bincount(place[rows], minlength=len(sets)).tolist()
    return [(defaults, count) for defaults, count in zip(sets, counts, strict=True) if count]
