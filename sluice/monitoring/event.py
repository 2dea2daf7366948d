"""The monitoring event: a CloudEvent in binary mode with the value that MLRun's processor reads.

docs/monitoring.md lists every field.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, NamedTuple
from urllib.parse import quote

import orjson

from sluice.monitoring.columns import Columns
from sluice.monitoring.features import NO_FEATURES, Features, FeatureTable
from sluice.monitoring.listed import Listed
from sluice.monitoring.redaction import Redaction
from sluice.streams import Message

FORMAT = 1
TYPE = "org.kubeflow.serving.inference.response"  # KServe's name for such an event
_NESTED = frozenset((dict, list, tuple))
_TRACE_HEADERS = ("traceparent", "tracestate")


class Observation(NamedTuple):
    """What one request came to; nobody may change what it holds.

    Attributes:
        id: the request's id.
        graph: the graph's name.
        version: the model version that answered, "mixed", or None when none did.
        when: when the request came, seconds since the epoch.
        duration_us: how long it took in all, microseconds.
        records: as they came.
        outputs: one per record, as in the reply, {"error": …} in a bad record's place; empty
            when the request failed as a whole.
        route: policy, name, propensity and reason of the router's choice.
        ages: seconds, by the name of a feature or feature table: the oldest that was used.
        defaults: per row, by feature, why a default stood in; it must quote no record. Or
            counted already: by feature, of how many rows for which reason.
        timings: by step, microseconds.
        error: of a request that failed as a whole, its status and message.
        headers: traceparent and tracestate, if the request had them; others stay here.
        members: by version that predicted for a team, its scores: of each record a number, or one
            per class, None where it was not asked; of records with many rows, of each row.
        figures: of ranked lists, before the rules and after each (rules/figures.py).
        features: by record, what was looked up for it; none where records have several rows.
        routes: of a table whose rows went different ways, `words`: the choices, each with its
            `version`, and `codes`: which of them is each row's, −1 for none.
    """

    id: str
    graph: str
    version: str | None
    when: float
    duration_us: int
    records: Sequence[Any] | Listed = ()
    outputs: Sequence[Mapping[str, Any]] | Listed = ()
    route: Mapping[str, Any] = {}
    ages: Mapping[str, float] = {}
    defaults: Sequence[Mapping[str, str]] | dict[str, dict[str, int]] = ()
    timings: Mapping[str, float] = {}
    error: tuple[int, str] | None = None
    headers: Mapping[str, str] = {}
    members: Mapping[str, Sequence[Any]] = {}
    figures: Sequence[Mapping[str, Any]] = ()
    features: Features | Listed = NO_FEATURES
    routes: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Source:
    """Who emits: the same for all events of a process.

    Attributes:
        project: the project's name.
        endpoint_id: the uid of the model endpoint in MLRun; "" makes one of project and graph.
        function_uri: the function as MLRun names it, "project/function".
        model_class, host, worker, labels: as MLRun's model server sends them.
        inputs, outputs: the names of a record's and an output's fields, in the order in which
            every event has them. What else there is follows.
    """

    project: str
    endpoint_id: str = ""
    function_uri: str = ""
    model_class: str = "sluice"
    host: str = ""
    worker: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    inputs: Sequence[str] = ()
    outputs: Sequence[str] = ()


class Place(NamedTuple):
    """What all events of a graph have in common: what their values begin with, encoded, and their
    headers."""

    head: bytes
    headers: dict[str, str]


class EventBuilder:
    """Makes the event of an observation, which it leaves as it is; one at a time.

    `inputs`, `outputs` and `features` keep the layouts of the last event; `redacts` says whether
    anything is kept in.
    """

    def __init__(self, source: Source, redaction: Redaction | None = None) -> None:
        self.source, self._redaction = source, redaction or Redaction()
        self.inputs = Columns(source.inputs, self._redaction)
        self.outputs = Columns(source.outputs, self._redaction)
        self.features = FeatureTable(self._redaction)
        self.redacts = bool(self._redaction)
        self._places: dict[str, Place] = {}  # by graph
        self._second, self._text = 0, _text(0)  # the last second that was an event's
        self._time = self._text.replace(" ", "T")

    def __call__(self, seen: Observation, sampling_percentage: float = 100.0) -> Message:
        """The event: its key is the request's id.

        Raises TypeError, ValueError where an observation holds what JSON cannot.
        """
        when, time = self._utc(seen.when)
        names, rows = self.inputs.table(seen.records)
        block = _block(seen)
        if seen.figures:
            block["lists"] = seen.figures
        if found := self.features.table(seen.features):
            block["features"] = found
        if seen.members:
            block |= self._redaction.fields({"members": seen.members})
        value = {
            "when": when,
            "microsec": seen.duration_us,
            "sampling_percentage": sampling_percentage,
            "request": {"id": seen.id, "inputs": rows, "input_schema": names},
            "sluice": block,
        }
        if seen.error is None:
            value["resp"] = self._response(seen, when, block)
        else:
            block["status"], text = seen.error
            value["error"] = self._redaction.text(text, seen.records[:])
        place = self.place(seen.graph)
        headers = place.headers | {"ce_id": seen.id, "ce_time": time} | traced(seen.headers)
        return Message(place.head + encoded(value)[1:], seen.id, headers)

    def place(self, graph: str) -> Place:
        """What all events of a graph have in common."""
        return self._places.get(graph) or self._place(graph)

    def _place(self, graph: str) -> Place:
        source = self.source
        common = {
            "endpoint_id": source.endpoint_id or endpoint_id(source.project, graph),
            "model": graph,
            "class": source.model_class,
            "function_uri": source.function_uri,
            "host": source.host,
            "worker": source.worker,
            "labels": source.labels,
            "op": "infer",
            # MLRun's processor gives this to each row of an event, and sums.
            "effective_sample_count": 1,
        }
        head = orjson.dumps(common)[:-1] + b","
        self._places[graph] = Place(head, _headers(f"/{quote(source.project)}/{quote(graph)}"))
        return self._places[graph]

    def _utc(self, when: float) -> tuple[str, str]:
        """As datetime.isoformat has it, and RFC 3339; what is up to the second is made once a
        second."""
        second = int(when)
        microseconds = round((when - second) * 1e6)
        if not 0 <= microseconds < 1_000_000:  # before 1970, or rounded up
            second, microseconds = second + microseconds // 1_000_000, microseconds % 1_000_000
        if second != self._second:
            self._second, self._text = second, _text(second)
            self._time = self._text.replace(" ", "T")
        digits = f".{microseconds:06d}"
        return f"{self._text}{digits}+00:00", f"{self._time}{digits}Z"

    def _response(self, seen: Observation, when: str, block: dict[str, Any]) -> dict[str, Any]:
        names, rows = self.outputs.table(self._plain(seen, block))
        return {
            "id": seen.id,
            "model_name": seen.graph,
            "model_version": seen.version,
            "outputs": rows,
            "output_schema": names,
            "timestamp": when,
        }

    def _plain(self, seen: Observation, block: dict[str, Any]) -> list[dict[str, Any]] | Listed:
        """The outputs' columns; errors, lists and mappings go into the block, by record."""
        if isinstance(seen.outputs, Listed):
            for place, error in seen.outputs.errors.items():
                records = seen.records[place : place + 1]
                block["errors"][str(place)] = self._redaction.text(error, records)
            return seen.outputs
        plain = []
        for index, output in enumerate(seen.outputs):
            columns: dict[str, Any] = {}
            nested: dict[str, Any] = {}
            for name, value in output.items():
                if name == "error":
                    records = seen.records[index : index + 1]
                    block["errors"][str(index)] = self._redaction.text(str(value), records)
                elif name == "explain":
                    continue  # long, and told to who asked for it
                elif type(value) in _NESTED:
                    nested[name] = value
                else:
                    columns[name] = value
            if nested and (kept := self._redaction.fields(nested)):
                block["details"][str(index)] = kept
            plain.append(columns)
        return plain


def encoded(value: Any) -> bytes:
    """JSON, as all of an event is."""
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)


def traced(headers: Mapping[str, str]) -> dict[str, str]:
    """What goes on with an event of its request's headers."""
    return {f"ce_{name}": headers[name] for name in _TRACE_HEADERS if name in headers}


def endpoint_id(project: str, graph: str) -> str:
    """The endpoint id of a graph where MLRun has not given one: the same in every process.

    >>> endpoint_id("flights", "flight-delay")
    'fcb1bfff892bc44d7db3640cb81b4af1'
    """
    return blake2b(f"{project}/{graph}".encode(), digest_size=16).hexdigest()


def _text(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).isoformat(" ")[:-6]


def _headers(source: str) -> dict[str, str]:
    return {
        "ce_specversion": "1.0",
        "ce_id": "",
        "ce_source": source,
        "ce_type": TYPE,
        "ce_time": "",
        "content-type": "application/json",
    }


def _block(seen: Observation) -> dict[str, Any]:
    defaults = seen.defaults
    block = {
        "format": FORMAT,
        "version": seen.version,
        "route": seen.route,
        "propensity": seen.route.get("propensity"),
        "ages": seen.ages,
        "defaults": defaults if isinstance(defaults, dict) else _counts(defaults),
        "timings": seen.timings,
        "errors": {},
        "details": {},
    }
    if isinstance(seen.records, Listed):
        block |= seen.records.requests()
    if seen.routes:
        block["routes"] = seen.routes
    return block


def _counts(rows: Sequence[Mapping[str, str]]) -> dict[str, dict[str, int]]:
    """By column, how many rows took its default, and why."""
    if len(rows) == 1:
        [row] = rows
        return {name: {why: 1} for name, why in row.items()} if row else {}
    counts: dict[str, dict[str, int]] = {}
    for row in rows:
        for name, why in row.items():
            reasons = counts.setdefault(name, {})
            reasons[why] = reasons.get(why, 0) + 1
    return counts
