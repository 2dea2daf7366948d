"""Sluice's own settings of one graph: spec.parameters.sluice in its graph.yaml.

parameters:
  sluice:
    format: 1
    graph: flight-delay                                 # its name, as in metadata.name
    features: serving_graphs/flight_delay/features.yaml # from the project's folder
    training: serving_graphs.flight_delay.training.training
    playback: serving_graphs.flight_delay.playback.playback # what `sluice replay` plays
    tuning: serving_graphs.film_ranking.tuning.tuning   # what `sluice tune-rules` sweeps
    redact: {tailnum: hash, zip: {truncate: 2}}         # docs/governance.md
    stream: {batch_records: 2000, batch_ms: 5}          # docs/stream.md; all of it is optional
    monitor: {window: 1h, segments: [origin]}           # docs/monitor.md; likewise
    drift: {ignore: [tailnum]}                          # docs/drift.md; likewise
    alerts: [{watch: error_share, above: 0.02}]            # docs/alerts.md; likewise
    retrain: {incidents: [calibration]}                 # docs/loop.md; likewise
    deploy: {replicas: {min: 2, max: 6}}                # docs/deploy.md; read by `sluice render`
    rollout: {percentages: [10, 50, 100], hold: 30s}    # docs/rollout.md; read by `sluice deploy`
    mlrun: {outputs: label, models: {m1: m1}}           # docs/import.md: who asked MLRun before
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sluice.declaration import Section
from sluice.windows.declared import MonitorParameters

FORMAT = 1


@dataclass(frozen=True)
class StreamParameters:
    """How a graph works requests off a stream.

    Attributes:
        requests, predictions, dead_letters: topics; empty: after the project and the graph.
        batch_records, batch_ms: so many messages at most go through the graph at once, or as many
            as come within so long.
        window_s: of two answers to one request id within so long the second is not appended, where
            the stream has no transactions of its own.
        lease_s: a member of the group that was killed keeps its partitions from the others for so
            long.
        whole_dead_letters: whether a dead letter holds the request as it came, also the fields
            that the graph redacts.
    """

    requests: str = ""
    predictions: str = ""
    dead_letters: str = ""
    batch_records: int = 2000
    batch_ms: float = 5.0
    window_s: float = 3600.0
    lease_s: float = 10.0
    whole_dead_letters: bool = False

    @classmethod
    def parse(cls, section: Section) -> StreamParameters:
        """The parameters in a section. Raises DeclarationError naming the field."""
        parameters = cls(
            requests=section.take("requests", str, ""),
            predictions=section.take("predictions", str, ""),
            dead_letters=section.take("dead_letters", str, ""),
            batch_records=section.take("batch_records", int, cls.batch_records),
            batch_ms=section.take("batch_ms", float, cls.batch_ms),
            window_s=section.take("window_s", float, cls.window_s),
            lease_s=section.take("lease_s", float, cls.lease_s),
            whole_dead_letters=section.take("whole_dead_letters", bool, False),
        )
        section.done()
        for name, least, most in (
            ("batch_records", 1, 10_000),
            ("batch_ms", 0, 60_000),
            ("window_s", 0, 31 * 86_400),
            ("lease_s", 0.1, 3600),
        ):
            if not least <= getattr(parameters, name) <= most:
                value = getattr(parameters, name)
                raise section.error(name, f"expected {least} to {most}, found {value}")
        return parameters


@dataclass(frozen=True)
class Parameters:
    """Where a graph's parts are."""

    graph: str
    features: str
    training: str | None = None
    playback: str | None = None
    tuning: str | None = None
    redact: Mapping[str, str | int] | None = None
    stream: StreamParameters = StreamParameters()
    monitor: MonitorParameters = field(default_factory=MonitorParameters)
    # Read where something is deployed or watched, not while serving.
    deploy: Mapping[str, Any] | None = None
    rollout: Mapping[str, Any] | None = None
    drift: Mapping[str, Any] | None = None
    alerts: list[Any] | Mapping[str, Any] | None = None
    retrain: Mapping[str, Any] | None = None
    mlrun: Mapping[str, Any] | None = None

    @classmethod
    def parse(cls, data: Any, file: object) -> Parameters:
        """The parameters of a graph. Raises DeclarationError naming the field."""
        section = Section(data, file, "spec.parameters.sluice")
        version = section.take("format", int)
        if version != FORMAT:
            raise section.error("format", f"{version} is not read by this Sluice", "it reads 1")
        parameters = cls(
            graph=section.take("graph", str),
            features=section.take("features", str),
            training=section.take("training", str, None),
            playback=section.take("playback", str, None),
            tuning=section.take("tuning", str, None),
            redact=_redact(section),
            stream=StreamParameters.parse(section.section("stream", {})),
            monitor=MonitorParameters.parse(section.section("monitor", {})),
            drift=section.take("drift", Mapping, None),
            alerts=section.take("alerts", (list, Mapping), None),
            retrain=section.take("retrain", Mapping, None),
            deploy=section.take("deploy", Mapping, None),
            rollout=section.take("rollout", Mapping, None),
            mlrun=section.take("mlrun", Mapping, None),
        )
        section.done()
        return parameters


def _redact(section: Section) -> Mapping[str, str | int]:
    """By field drop, hash, or how many characters are kept."""
    redact = section.section("redact", {})
    return {str(n): _action(redact, str(n)) for n in redact.names}


def _action(redact: Section, name: str) -> str | int:
    action = redact.take(name, (str, Mapping))
    if isinstance(action, str):
        word = Section({name: action}, redact.file, redact.where)
        chosen: str = word.choose(name, ("drop", "hash"))
        return chosen
    truncate = Section(action, redact.file, f"{redact.where}.{name}")
    kept: int = truncate.take("truncate", int)
    truncate.done()
    if kept < 0:
        raise truncate.error("truncate", f"expected how many characters are kept, found {kept}")
    return kept
