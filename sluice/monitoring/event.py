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

from sluice.monitoring.redaction import Redaction
from sluice.streams import Message

FORMAT = 1
TYPE = "org.kubeflow.serving.inference.response"  # KServe's name for such an event
_NESTED = (dict, list, tuple)
TRACE_HEADERS = ("traceparent", "tracestate")

Table = tuple[list[str], list[list[Any]]]  # the names of the columns, and the rows


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
        defaults: by feature, why and where a default stood in; it must quote no record.
        timings: by step, microseconds.
        error: of a request that failed as a whole, its status and message.
        headers: traceparent and tracestate, if the request had them; others stay here.
    """

    id: str
    graph: str
    version: str | None
    when: float
    duration_us: int
    records: Sequence[Any] = ()
    outputs: Sequence[Mapping[str, Any]] = ()
    route: Mapping[str, Any] = {}
    ages: Mapping[str, float] = {}
    defaults: Mapping[str, Any] = {}
    timings: Mapping[str, float] = {}
    error: tuple[int, str] | None = None
    headers: Mapping[str, str] = {}


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


class EventBuilder:
    """Makes the event of an observation, which it leaves as it is."""

    def __init__(self, source: Source, redaction: Redaction | None = None) -> None:
        self._source, self._redaction = source, redaction or Redaction()
        self._inputs = Columns(source.inputs, self._redaction)
        self._outputs = Columns(source.outputs, self._redaction)
        self._places: dict[str, tuple[str, str]] = {}  # by graph: endpoint id, CloudEvents source

    def __call__(self, seen: Observation, sampling_percentage: float = 100.0) -> Message:
        """The event: its key is the request's id.

        Raises TypeError, ValueError where an observation holds what JSON cannot.
        """
        endpoint, origin = self._places.get(seen.graph) or self._place(seen.graph)
        when = datetime.fromtimestamp(seen.when, UTC).isoformat(" ", "microseconds")
        value = self._common(seen, when, sampling_percentage)
        value["endpoint_id"] = endpoint
        names, rows = self._inputs.table(seen.records)
        value["request"] = {"id": seen.id, "inputs": rows, "input_schema": names}
        value["sluice"] = block = _block(seen)
        if seen.error is None:
            value["resp"] = self._response(seen, when, block)
        else:
            block["status"], text = seen.error
            value["error"] = self._redaction.text(text, seen.records)
        headers = self._headers(seen, when, origin)
        return Message(orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY), seen.id, headers)

    def _place(self, graph: str) -> tuple[str, str]:
        project = self._source.project
        endpoint = self._source.endpoint_id or endpoint_id(project, graph)
        self._places[graph] = endpoint, f"/{quote(project)}/{quote(graph)}"
        return self._places[graph]

    def _common(self, seen: Observation, when: str, percentage: float) -> dict[str, Any]:
        source = self._source
        return {
            "model": seen.graph,
            "class": source.model_class,
            "function_uri": source.function_uri,
            "host": source.host,
            "worker": source.worker,
            "labels": source.labels,
            "op": "infer",
            "when": when,
            "microsec": seen.duration_us,
            "sampling_percentage": percentage,
            # MLRun's processor gives this to each row of an event, and sums.
            "effective_sample_count": 1,
        }

    def _response(self, seen: Observation, when: str, block: dict[str, Any]) -> dict[str, Any]:
        plain = seen.outputs
        if not all(map(_is_plain, plain)):
            plain = self._plain(seen, block)
        names, rows = self._outputs.table(plain)
        return {
            "id": seen.id,
            "model_name": seen.graph,
            "model_version": seen.version,
            "outputs": rows,
            "output_schema": names,
            "timestamp": when,
        }

    def _plain(self, seen: Observation, block: dict[str, Any]) -> list[dict[str, Any]]:
        """The outputs' columns; errors, lists and mappings go into the block, by record."""
        plain = []
        errors, details = block["errors"], block["details"]
        for index, output in enumerate(seen.outputs):
            columns = dict(output)
            if "error" in columns:
                text = str(columns.pop("error"))
                errors[str(index)] = self._redaction.text(text, seen.records[index : index + 1])
            names = [name for name, v in columns.items() if isinstance(v, _NESTED)]
            nested = {name: columns.pop(name) for name in names}
            if kept := self._redaction.names(nested):
                details[str(index)] = {k: self._redaction.value(k, nested[k]) for k in kept}
            plain.append(columns)
        return plain

    def _headers(self, seen: Observation, when: str, origin: str) -> dict[str, str]:
        headers = {
            "ce_specversion": "1.0",
            "ce_id": seen.id,
            "ce_source": origin,
            "ce_type": TYPE,
            "ce_time": when[:10] + "T" + when[11:-6] + "Z",
            "content-type": "application/json",
        }
        for name in TRACE_HEADERS:
            if name in seen.headers:
                headers["ce_" + name] = seen.headers[name]
        return headers


class Columns:
    """Turns records into rows: the declared names in their order, then what else there is."""

    def __init__(self, declared: Sequence[str], redaction: Redaction) -> None:
        self._declared, self._redaction = list(declared), redaction
        self._known = frozenset(declared)

    def table(self, records: Sequence[Any]) -> Table:
        """The names and the rows; a record that is no mapping is a row of nulls."""
        good = [record if isinstance(record, dict) else {} for record in records]
        names = self._declared
        if not all(map(self._known.issuperset, good)):
            names = list(dict.fromkeys([*names, *(name for record in good for name in record)]))
        if not self._redaction:
            return names, [list(map(record.get, names)) for record in good]
        names, value = self._redaction.names(names), self._redaction.value
        return names, [[value(name, record.get(name)) for name in names] for record in good]


def endpoint_id(project: str, graph: str) -> str:
    """The endpoint id of a graph where MLRun has not given one: the same in every process.

    >>> endpoint_id("flights", "flight-delay")
    'fcb1bfff892bc44d7db3640cb81b4af1'
    """
    return blake2b(f"{project}/{graph}".encode(), digest_size=16).hexdigest()


def _block(seen: Observation) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": seen.version,
        "route": seen.route,
        "propensity": seen.route.get("propensity"),
        "ages": seen.ages,
        "defaults": seen.defaults,
        "timings": seen.timings,
        "errors": {},
        "details": {},
    }


def _is_plain(output: Mapping[str, Any]) -> bool:
    """Whether all of an output is columns."""
    return "error" not in output and not any(isinstance(v, _NESTED) for v in output.values())
